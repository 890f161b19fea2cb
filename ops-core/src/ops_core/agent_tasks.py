"""What doors that speak of agents, and not of tasks, have to know to make the one of the other."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ops_core.request import TaskRequest, parse_request
from ops_core.task import JsonObject, Status, Task


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """An agent that a client may give work to."""

    name: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTasks:
    """How a goal becomes a task, and what came of it an answer."""

    task_type: str
    """Its `input_data` has the goal in `goal`; its `result` the answer's text in `output`."""

    agents_of: Callable[[str], Awaitable[Sequence[AgentInfo]]]
    """The agents of a tenant."""

    default: AgentInfo
    """The one that is always there."""

    def request(self, goal: str, *, agent: str, thread_id: str | None = None) -> TaskRequest:
        """Raises `InvalidRequest`."""
        asked: dict[str, Any] = {
            "task_type": self.task_type,
            "agent": agent,
            "input_data": {"goal": goal},
        }
        return parse_request(asked | ({"thread_id": thread_id} if thread_id else {}))


def answer_of(task: Task) -> str | None:
    """The text that a completed task came to."""
    output = _answer(task).get("output")
    return output if isinstance(output, str) else None


def structured_of(task: Task) -> Any:
    """The JSON that a completed task came to, where a schema was given for it."""
    return _answer(task).get("structured")


def partial_of(task: Task) -> JsonObject | None:
    """What there was when a budget or a limit ended the task, in place of an answer."""
    return task.result if task.status is Status.FAILED else None


def _answer(task: Task) -> JsonObject:
    return task.result or {} if task.status is Status.COMPLETED else {}
