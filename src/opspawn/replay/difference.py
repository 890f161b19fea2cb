"""What a replay says where it leaves its recording."""

import json
from typing import Any, Final

from agentkit.journal import Step
from ops_core.log import Event

#: The longest that one side of a difference is shown. Characters.
_SHOWN: Final = 500


class Difference(Exception):
    """This build does something else than was recorded. `where`: the step, or the end of the run."""

    def __init__(self, where: str, expected: str, got: str) -> None:
        super().__init__(f"{where}: expected {expected}; got {got}")
        self.where = where
        self.expected = expected
        self.got = got


class LogEnds(Exception):
    """The log ends where the run would go on: it was stopped there, or goes on elsewhere."""


def place(path: str) -> str:
    return f"step {path}"


def asked(step: Step) -> str:
    """What the agent would do, in words."""
    if step.kind == "llm":
        return f"a call of the model {step.name}"
    return f"{step.kind} {step.name}({short(step.arguments)})"


def told(event: Event) -> str:
    """A recorded event, in words."""
    data = event.data
    if "model" in data:
        return f"{event.type} of the model {data['model']}"
    if "tool" in data:
        return f"{event.type} {data['tool']}({short(data.get('arguments'))})"
    rest = {key: value for key, value in data.items() if key not in {"path", "step", "copied"}}
    return f"{event.type} {short(rest)}"


def short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
