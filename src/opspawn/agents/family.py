"""The agents of one task as they were when it was submitted: its own, and those it may hand work over to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ops_core.agents import AgentRef
from ops_core.errors import TaskFailed
from ops_core.ports import TaskLog
from ops_core.task import JsonObject, Task


@dataclass(frozen=True, slots=True)
class Member:
    """One agent of a task: its definition, and how it is asked and held (`config`)."""

    name: str
    config: JsonObject
    """The fields of `agent_config`: the definition's; of the task's own agent, what the task says instead."""

    definition: JsonObject = field(default_factory=dict)

    @property
    def handoffs(self) -> Sequence[str]:
        found: Sequence[str] = self.definition.get("handoffs", ())
        return found

    @property
    def description(self) -> str:
        said: str = (
            self.definition.get("description") or f"Hands a part of the work to {self.name}."
        )
        return said


@dataclass(frozen=True, slots=True)
class Family:
    """The agent that runs a task, and every one below it by the references that name it."""

    root: Member
    below: Mapping[str, Member] = field(default_factory=dict)

    @property
    def members(self) -> Sequence[Member]:
        return (self.root, *self.below.values())

    @property
    def tools(self) -> Sequence[str]:
        """The tools that any of them names, each once."""
        named = (name for one in self.members for name in one.config.get("tools", ()))
        return [*dict.fromkeys(named)]

    @property
    def providers(self) -> Sequence[str | None]:
        """Whose models they are asked of; None: that of the worker."""
        return [one.config.get("llm_provider") for one in self.members]

    @classmethod
    async def of(cls, task: Task, log: TaskLog) -> "Family":
        """Reads the definitions that the task is tied to, once; the default agent has none."""
        own: JsonObject = task.input_data.get("agent_config", {})
        if task.agent_version is None:
            return cls(Member(task.agent, own))
        versions = versions_of(task)
        found = await log.definitions([*versions.values()])
        missing = [version for version in versions.values() if version not in found]
        if missing:
            name, number = missing[0]
            raise TaskFailed("unknown_agent", f"The definition of {name}@{number} is gone.")
        members = {ref: Member(each[0], found[each], found[each]) for ref, each in versions.items()}
        root = members.pop("")
        return cls(Member(root.name, {**root.definition, **own}, root.definition), members)


def versions_of(task: Task) -> dict[str, tuple[str, int]]:
    """The versions that a task is tied to, by the references that name them; its own agent's by ""."""
    if task.agent_version is None:
        return {}
    below = {ref: (AgentRef.parse(ref).name, number) for ref, number in task.handoffs.items()}
    return {"": (task.agent, task.agent_version), **below}
