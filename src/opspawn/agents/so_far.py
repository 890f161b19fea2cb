"""What a run has come to when something ends it before its answer: read from its log, so that it is the same
whatever died in between.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from agentkit.output import DoesNotFit
from agentkit.planning.plan import plan_output
from ops_core.log import Event, EventType
from ops_core.task import JsonObject

#: Of the last so many calls the outputs are given, of each so many characters: its log has all.
MAX_CALLS: Final = 50
MAX_CHARACTERS: Final = 2000

#: Between why a run was ended and the beginning of what there was, in the message of its error.
PARTIAL_OUTPUT: Final = " Partial output: "


def so_far(log: Iterable[Event]) -> JsonObject | None:
    """The result of an `agent_run` without its answer, `partial`; None when there is nothing.

    `output` is what a model last said, None when that was nothing; `steps` are the calls that came back.
    """
    found = _Found()
    for event in log:
        found.take(event)
    if not found.said and not found.done:
        return None
    return {
        "output": next(reversed(found.said.values()), None),
        "structured": None,
        "artifacts": [],
        "partial": True,
        "steps": [*found.done.values()][-MAX_CALLS:],
    }


@dataclass(slots=True)
class _Found:
    """By the paths of their steps: what was said, the calls that came back, the tools of those in doubt."""

    said: dict[str, str] = field(default_factory=dict)
    done: dict[str, JsonObject] = field(default_factory=dict)
    doubted: dict[str, Any] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        data = event.data
        path = str(data.get("path", ""))
        match event.type:
            case EventType.LLM_COMPLETED if _says_something(str(data.get("text") or "")):
                self.said[path] = data["text"]
            case EventType.TOOL_UNKNOWN:
                self.doubted[path] = data.get("tool")
            case EventType.TOOL_COMPLETED:
                self._came_back(path, data.get("tool"), data.get("output"))
            case EventType.EFFECT_RESOLVED if data.get("outcome") == "happened":
                self._came_back(path, self.doubted.get(path), data.get("result"))

    def _came_back(self, path: str, tool: Any, output: Any) -> None:
        # What was done inside of it, by an agent that is a tool, is in its output.
        for inner in (self.said, self.done):
            _forget_inside(inner, path)
        self.done[path] = {"step": path, "tool": tool, **_bounded(output)}


def _says_something(text: str) -> bool:
    """A plan does not: it is what is to be done. `agent.plan` tells of the task's own agent's, once begun."""
    try:
        plan_output().parse(text)
    except DoesNotFit:
        return bool(text.strip())
    return False


def _forget_inside(paths: dict[str, Any], path: str) -> None:
    for inside in [each for each in paths if each.startswith(f"{path}/")]:
        del paths[inside]


def _bounded(output: Any) -> JsonObject:
    """As the model read it: what a person or a fork said of a call may be any JSON."""
    is_text = output is None or isinstance(output, str)
    text = output if is_text else json.dumps(output, ensure_ascii=False)
    if text is None or len(text) <= MAX_CHARACTERS:
        return {"output": text}
    return {"output": text[:MAX_CHARACTERS], "truncated": True}
