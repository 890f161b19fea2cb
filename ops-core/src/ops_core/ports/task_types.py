"""What the doors know of task types, without what runs them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ops_core.errors import FieldError
from ops_core.task import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentKind:
    """What the doors know of the agents that run tasks of a type: pure data as well."""

    definition_schema: dict[str, Any]
    """JSON Schema of a definition. Its `handoffs` and `overrides` are known here, the rest to who runs it."""

    contradictions: Callable[[JsonObject], Iterable[FieldError]] = lambda _: ()
    """What else is wrong with a definition that fits it; pure, with paths that begin with `definition`."""

    config: tuple[str, ...] = ()
    """Where in `input_data` a task says what it does differently from its agent's definition."""

    overridable: tuple[str, ...] = ()
    """What it may say there, when the definition has no `overrides` of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskType:
    """What the doors know of a task type: pure data, so that no door imports the code that runs it."""

    name: str
    input_schema: dict[str, Any]
    """JSON Schema of `input_data`."""

    agents: frozenset[str] = frozenset({"default"})
    aliases: dict[str, str] = field(default_factory=dict)
    """Older names of keys of `input_data`, each with the name it means."""

    overrides: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What a fork may be told to do differently, by short names: each with its place in `input_data`."""

    output_schema: tuple[str, ...] | None = None
    """Where in `input_data` the schema goes that the answer must fit; None where none is taken."""

    agent_kind: AgentKind | None = None
    """What definitions of agents for it look like; None where it has only the `agents` above."""

    asked: str | None = None
    """The key of `input_data` that holds what a person asked: what a thread shows of a task."""

    answered: str | None = None
    """The key of the result that holds the answer."""

    queue: str = "default"
