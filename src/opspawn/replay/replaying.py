"""Replays a recording with the real agent handler."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from agentkit import InMemoryLongTermMemory, LlmClient
from agentkit.messages import Delta, Reply
from agentkit.tools import Tool
from ops_core.errors import TaskFailed
from ops_core.log import Event, EventType
from opspawn.agents.handler import AgentHandler
from opspawn.agents.mcp_tools import McpTools
from opspawn.agents.providers import DEFAULT_MODELS
from opspawn.agents.so_far import PARTIAL_OUTPUT
from opspawn.agents.toolbox import only_to_look_at
from opspawn.replay.difference import Difference, LogEnds, short, told
from opspawn.replay.journal import TapeJournal, asked_model
from opspawn.replay.recording import Recording, load
from opspawn.replay.servers import RecordedServers
from opspawn.replay.tape import Tape


@dataclass(frozen=True, slots=True)
class Replayed:
    """A replay without a difference: so many steps, up to how the log ends."""

    steps: int
    end: str
    """The type of the log's last event."""


def check(path: str | Path, tools: Iterable[Tool] = ()) -> Replayed:
    """Replays a file. Raises `Difference`, `RecordingError`.

    `tools`: those of your own that the run had, besides the built-in ones; they are not called.
    """
    given = {tool.name: tool for tool in tools}
    return asyncio.run(replay(load(Path(path)), given))


async def replay(
    recording: Recording, tools: Mapping[str, Tool], mcp: McpTools | None = None
) -> Replayed:
    """Raises `Difference` where this build leaves the recording.

    Servers of `mcp` are asked for the tools that the log does not have, and call none of them.
    """
    models = _Models(recording)
    tape = Tape(models.log, recording.definitions)
    to_look_at = {**only_to_look_at(), **tools}
    handler = AgentHandler(
        recording.settings,
        models,
        to_look_at,
        _no_child,
        journal=TapeJournal,
        memory=InMemoryLongTermMemory(),  # its tools are asked for, and not called
        mcp=RecordedServers(tape, mcp),
    )
    unknown = sorted(set(recording.pins) - handler.supports)
    if unknown:
        known = ", ".join(sorted(handler.supports))
        raise Difference("the task's versions", ", ".join(unknown), f"a build that has {known}")
    try:
        result = await handler.run(recording.task(), tape)
    except LogEnds:
        pass  # it was stopped there, and nothing says that it would not have gone on
    except TaskFailed as error:
        said = {"type": error.error_type, "message": _why(error.message)}
        _compare_end(tape.end, EventType.TASK_FAILED, said)
    else:
        _compare_end(tape.end, EventType.TASK_COMPLETED, result)
    _compare_rest(tape, recording.log)
    return Replayed(tape.steps, str(recording.log[-1].type))


def _compare_end(end: Event | None, kind: EventType, said: Mapping[str, Any]) -> None:
    got = f"{kind} {short(said)}"
    if end is None:
        return  # the log was read, or its worker died, before the end was told
    if end.type != kind:
        # Whoever cancelled it, or let its time run out, is not replayed.
        if end.type == EventType.TASK_CANCELLED or end.data.get("reason") == "deadline_exceeded":
            return
        raise Difference("the end of the run", told(end), got)
    then = end.data["result" if kind is EventType.TASK_COMPLETED else "error"]
    if kind is EventType.TASK_FAILED:
        then = then | {"message": _why(then["message"])}
    if {name: then.get(name) for name in said} != said:
        raise Difference("the end of the run", told(end), got)


def _why(message: str) -> str:
    """Without the beginning of what there was, for which builds have looked in different places."""
    return message.partition(PARTIAL_OUTPUT)[0]


def _compare_rest(tape: Tape, log: Sequence[Event]) -> None:
    left = tape.left()
    if left:
        event = next(e for e in log if (e.journal or {}).get("path") == left[0])
        raise Difference(f"step {left[0]}", told(event), "nothing: the agent does not get there")


class _Models:
    """Models that are never asked, under the name that was asked then."""

    def __init__(self, recording: Recording) -> None:
        self.log = recording.log
        self._default = "unknown"
        calls = [e for e in self.log if e.type == EventType.LLM_COMPLETED]
        root = (recording.agent, recording.agent_version or 0)
        config = {
            **recording.definitions.get(root, {}),
            **recording.input_data.get("agent_config", {}),
        }
        named = config.get("llm_model")
        if not calls or named is not None:
            return
        replied = str(calls[0].data["model"])
        names = [recording.defaults.get("llm_model"), replied, *DEFAULT_MODELS.values()]
        known = asked_model(calls, names)
        self._default = known or replied
        if known is None:
            # The default of a worker with other settings: its name cannot be compared.
            self.log = [_any_model(event) for event in self.log]

    def client(self, provider: str | None, model: str | None) -> LlmClient:
        """See `Providers.client`."""
        return _NoModel(model or self._default)

    async def prepare(self, providers: Iterable[str | None]) -> None:
        """There is nothing to prepare."""


class _NoModel:
    """An `LlmClient` that has a name."""

    def __init__(self, model: str) -> None:
        self.model = model

    async def complete(self, *_: object, **__: object) -> Reply:
        raise AssertionError("a replay asks no model")

    def stream(self, *_: object, **__: object) -> AsyncGenerator[Delta | Reply, None]:
        raise AssertionError("a replay asks no model")


def _any_model(event: Event) -> Event:
    if event.type != EventType.LLM_COMPLETED or event.journal is None:
        return event
    return replace(event, journal={k: v for k, v in event.journal.items() if k != "hash"})


async def _no_child(*_: object, **__: object) -> NoReturn:
    raise AssertionError("a replay starts no task")
