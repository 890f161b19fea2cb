"""Whether something is a definition of an agent, without regard to what else is stored."""

from collections.abc import Mapping

from jsonschema import Draft202012Validator

from ops_core.agents.reference import DEFAULT_AGENT
from ops_core.errors import FieldError, InvalidRequest
from ops_core.ports import AgentKind
from ops_core.schemas import schema_errors, too_many_values
from ops_core.task import JsonObject


class DefinitionCheck:
    """Holds definitions to what their kind says of them."""

    def __init__(self, kind: AgentKind) -> None:
        self._contradictions = kind.contradictions
        self._validator = Draft202012Validator(kind.definition_schema)

    def __call__(self, name: str, definition: JsonObject) -> None:
        """Raises `InvalidRequest`, with paths that begin with `name` or `definition`."""
        if name == DEFAULT_AGENT:
            problem = "is the agent of the server's settings, which is always there; choose another"
            raise InvalidRequest([FieldError("name", problem)])
        errors = too_many_values(definition, "definition")
        errors = errors or schema_errors(self._validator, definition, "definition")
        # What follows reads a definition that fits its schema.
        errors = errors or [*_clashes(name, definition), *self._contradictions(definition)]
        if errors:
            raise InvalidRequest(errors)


def _clashes(name: str, definition: Mapping[str, list[str]]) -> list[FieldError]:
    """An agent that work is handed over to is a tool of its name, so that name must be free."""
    names = [text.partition("@")[0] for text in definition.get("handoffs", ())]
    tools = {*definition.get("tools", ())}
    return [
        FieldError(f"definition.handoffs.{place}", problem)
        for place, each in enumerate(names)
        if (problem := _clash(each, name, tools, names[:place]))
    ]


def _clash(each: str, name: str, tools: set[str], before: list[str]) -> str | None:
    if each == name:
        return "is the agent itself"
    if each == DEFAULT_AGENT:
        return "is the default agent, which is no tool of another one"
    if each in tools:
        return "has the name of one of its tools; rename one"
    return "is named twice" if each in before else None
