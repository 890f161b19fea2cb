"""A recorded run: what its task was given, and its whole log.

The file is JSON, `{"format": "opspawn-run", "version": 1, "task", "defaults", "log"}`. `task` has the task's
id, type, agent with its versions, thread, priority, pins and input; `definitions` those of its agents, each
`[name, version, definition]`; `defaults` what the worker does where a task does not say; `log`
the events in order, each with `seq, type, v, at, data` and the `journal` that replay reads.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ops_core.log import Event
from ops_core.task import JsonObject, RetryPolicy, Status, Task, Usage
from opspawn.settings import Settings

FORMAT: Final = "opspawn-run"
VERSION: Final = 1

#: Settings that decide what an agent does, and that a task may leave open.
_DEFAULTS: Final = (
    "planner_type",
    "agent_max_steps",
    "agent_max_tokens",
    "agent_window_tokens",
    "agent_summary_model",
    "llm_model",
)

#: What files of older builds do not have.
_SINCE: Final = ("agent_version", "handoffs", "thread_id")

_TASK: Final = ("task_id", "task_type", "agent", "priority", "input_data")


class RecordingError(Exception):
    """The file is no recording that this version can read; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One run."""

    task_id: str
    task_type: str
    agent: str
    priority: int
    input_data: JsonObject
    log: Sequence[Event]
    pins: tuple[str, ...] = ()
    defaults: JsonObject = field(default_factory=dict)
    agent_version: int | None = None
    handoffs: Mapping[str, int] = field(default_factory=dict)
    thread_id: str | None = None
    definitions: Mapping[tuple[str, int], JsonObject] = field(default_factory=dict)
    """Those of the agents that the task is tied to, by name and version."""

    @classmethod
    def of(
        cls,
        task: Task,
        log: Sequence[Event],
        settings: Settings,
        definitions: Mapping[tuple[str, int], JsonObject] | None = None,
    ) -> "Recording":
        """The run of a task, as a worker with these settings would go on with it."""
        given = {name: getattr(task, name) for name in (*_TASK, *_SINCE)}
        given["definitions"] = definitions or {}
        defaults = {name: getattr(settings, name) for name in _DEFAULTS}
        return cls(**given, pins=task.pins, log=log, defaults=defaults)

    @property
    def settings(self) -> Settings:
        """The recorded defaults, and nothing of the environment."""
        # Not validated, because that is what reads the environment; `save` wrote what was valid.
        return Settings.model_construct(
            **{k: self.defaults[k] for k in _DEFAULTS if k in self.defaults}
        )

    def task(self) -> Task:
        """The task as its handler sees it; what no agent looks at is left empty."""
        at = self.log[0].at
        return Task(
            task_id=self.task_id,
            tenant_id="default",
            task_type=self.task_type,
            queue="default",
            name=None,
            agent=self.agent,
            thread_id=self.thread_id,
            parent_task_id=None,
            priority=self.priority,
            labels={},
            input_data=self.input_data,
            result=None,
            error=None,
            status=Status.RUNNING,
            reason=None,
            attempt=1,
            generation=1,
            retry_policy=RetryPolicy(),
            usage=Usage(),
            owner="replay",
            epoch=1,
            cancel_requested=False,
            last_seq=len(self.log),
            created_at=at,
            updated_at=at,
            scheduled_at=None,
            deadline_at=None,
            started_at=at,
            completed_at=None,
            pins=self.pins,
            agent_version=self.agent_version,
            handoffs=self.handoffs,
        )


def save(recording: Recording, path: Path) -> None:
    """Writes the file; it holds everything that was said in the run."""
    data = {
        "format": FORMAT,
        "version": VERSION,
        "task": {name: getattr(recording, name) for name in (*_TASK, *_SINCE)}
        | {"pins": recording.pins},
        "definitions": [[*version, said] for version, said in recording.definitions.items()],
        "defaults": recording.defaults,
        "log": [_event_json(event) for event in recording.log],
    }
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> Recording:
    """Raises `RecordingError`."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise RecordingError(f"{path} is no recorded run.")
        if data["version"] != VERSION:
            raise RecordingError(
                f"{path} has version {data['version']} of the format; this build reads {VERSION}."
            )
        task: Mapping[str, Any] = data["task"]
        given = {name: task[name] for name in _TASK}
        given |= {name: task[name] for name in _SINCE if name in task}
        said = data.get("definitions", [])
        given["definitions"] = {(name, version): each for name, version, each in said}
        log = [_event(task["task_id"], event) for event in data["log"]]
        pins = tuple(task["pins"])
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"{path} is no recorded run ({error!r}).") from None
    if not log:
        raise RecordingError(f"{path} holds no event.")
    return Recording(**given, pins=pins, log=log, defaults=data.get("defaults", {}))


def _event_json(event: Event) -> JsonObject:
    fields = {name: value for name, value in asdict(event).items() if name != "task_id"}
    return fields | {"type": str(event.type), "at": event.at.isoformat()}


def _event(task_id: str, fields: JsonObject) -> Event:
    return Event(
        task_id=task_id,
        seq=fields["seq"],
        type=fields["type"],
        v=fields["v"],
        at=datetime.fromisoformat(fields["at"]),
        data=fields["data"],
        journal=fields["journal"],
    )
