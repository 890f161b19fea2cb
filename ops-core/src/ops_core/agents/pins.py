"""Which versions a task is tied to: its agent's, and those of every agent that work may be handed over to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ops_core.agents.port import AgentStore, AgentVersion
from ops_core.agents.reference import AgentRef
from ops_core.errors import FieldError, InvalidRequest
from ops_core.ports import AgentKind, TaskType
from ops_core.request import TaskRequest
from ops_core.task import JsonObject, Task

#: Agents below the first one: what they use multiplies with every level, and nobody reads along.
MAX_HANDOFF_DEPTH: Final = 3

#: Agents of one task, besides its own.
MAX_HANDOFF_AGENTS: Final = 32


@dataclass(frozen=True, slots=True)
class Pins:
    """The versions of one task. `handoffs` has them by the references that definitions name them by."""

    version: int | None = None
    handoffs: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, task: Task) -> "Pins":
        """Those of a task that is stored: its forks and its children are tied to the same."""
        return cls(task.agent_version, task.handoffs)


#: Of the default agent, which has no versions.
NO_PINS: Final = Pins()


async def pinned(
    store: AgentStore | None, task_type: TaskType, request: TaskRequest, tenant_id: str
) -> Pins:
    """What a new task is tied to. Raises `InvalidRequest`."""
    agent = await allowed(store, task_type, request, tenant_id)
    if agent is None or store is None:
        return NO_PINS
    below = await handed_over_to(store, tenant_id, agent.name, agent.definition, path="agent")
    return Pins(agent.version, {ref: each.version for ref, each in below.items()})


async def allowed(
    store: AgentStore | None, task_type: TaskType, request: TaskRequest, tenant_id: str
) -> AgentVersion | None:
    """The version of the agent that a request names; None of one that has none.

    Raises `InvalidRequest` when there is no such agent, or when it does not let a task ask for that.
    """
    if request.agent in task_type.agents:
        return None
    if store is None or task_type.agent_kind is None:
        known = ", ".join(sorted(task_type.agents))
        raise InvalidRequest([FieldError("agent", f"is unknown; known agents: {known}")])
    ref = AgentRef.parse(request.agent)
    agent = (await store.find(tenant_id, [ref])).get(ref)
    if agent is None:
        message = "is unknown or archived; `GET /api/v1/agents/` lists those there are"
        raise InvalidRequest([FieldError("agent", message)])
    _check_overrides(request.input_data, agent, task_type.agent_kind)
    return agent


async def handed_over_to(
    store: AgentStore, tenant_id: str, name: str, definition: JsonObject, *, path: str
) -> dict[str, AgentVersion]:
    """Every agent below one with this definition, by the references that they are named by.

    Each reference stands for one version in all of them. Raises `InvalidRequest`.
    """
    below: dict[str, AgentVersion] = {}
    level: Sequence[str] = definition.get("handoffs", ())
    for _ in range(MAX_HANDOFF_DEPTH + 1):
        refs = {text: AgentRef.parse(text, path) for text in level if text not in below}
        if not refs:
            break
        found = await store.find(tenant_id, list(refs.values()))
        missing = [text for text, ref in refs.items() if ref not in found]
        if missing or len(below) + len(refs) > MAX_HANDOFF_AGENTS:
            raise InvalidRequest([FieldError(path, _unusable(missing))])
        below |= {text: found[ref] for text, ref in refs.items()}
        level = [text for ref in refs.values() for text in found[ref].handoffs]
    _check_ways(name, definition.get("handoffs", ()), below, path)
    return below


def _check_overrides(input_data: JsonObject, agent: AgentVersion, kind: AgentKind) -> None:
    """Whether a task may do differently what it does. Raises `InvalidRequest` naming each field."""
    config: Any = input_data
    for step in kind.config:
        config = config.get(step) or {}
    allowed = agent.definition.get("overrides", kind.overridable)
    ref = AgentRef(agent.name, agent.version)
    place = ".".join(("input_data", *kind.config))
    errors = [
        FieldError(
            f"{place}.{name}",
            f"is set by the agent {ref}; a task may set: {', '.join(allowed) or 'nothing'}",
        )
        for name in config
        if name not in allowed
    ]
    if errors:
        raise InvalidRequest(errors)


def _unusable(missing: Sequence[str]) -> str:
    if not missing:
        return f"hands work over to more than {MAX_HANDOFF_AGENTS} agents in all"
    return f"hands work over to {missing[0]}, which is unknown or archived"


def _check_ways(
    name: str, handoffs: Sequence[str], below: Mapping[str, AgentVersion], path: str
) -> None:
    for way in _ways(handoffs, below):
        names = [name, *(below[text].name for text in way)]
        said = " → ".join(names)
        if len(set(names)) < len(names):
            problem = f"hands work over in a circle: {said}"
        elif len(way) > MAX_HANDOFF_DEPTH:
            problem = f"hands work over more than {MAX_HANDOFF_DEPTH} agents deep: {said}"
        else:
            continue
        raise InvalidRequest([FieldError(path, problem)])


def _ways(
    handoffs: Sequence[str], below: Mapping[str, AgentVersion], way: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Every way down, the shorter ones first; none goes deeper than what is refused."""
    for text in handoffs:
        longer = (*way, text)
        yield longer
        if len(longer) <= MAX_HANDOFF_DEPTH:
            yield from _ways(below[text].handoffs, below, longer)
