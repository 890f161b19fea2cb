"""What a run has come to when something ends it before its answer: read from its log, so that it is the same
whatever died in between.
"""

from collections.abc import Iterable
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
    said: dict[str, str] = {}
    done: dict[str, JsonObject] = {}
    for event in log:
        _take(event, said, done)
    if not said and not done:
        return None
    return {
        "output": next(reversed(said.values()), None),
        "structured": None,
        "artifacts": [],
        "partial": True,
        "steps": [*done.values()][-MAX_CALLS:],
    }


def _take(event: Event, said: dict[str, str], done: dict[str, JsonObject]) -> None:
    data = event.data
    path = str(data.get("path", ""))
    match event.type:
        case EventType.LLM_COMPLETED if _says_something(str(data.get("text") or "")):
            said[path] = data["text"]
        case EventType.TOOL_COMPLETED:
            # What was done inside of it, by an agent that is a tool, is in its output.
            for inner in (said, done):
                _forget_inside(inner, path)
            done[path] = {"step": path, "tool": data.get("tool"), **_output(data.get("output"))}


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


def _output(text: Any) -> JsonObject:
    if not isinstance(text, str) or len(text) <= MAX_CHARACTERS:
        return {"output": text}
    return {"output": text[:MAX_CHARACTERS], "truncated": True}
