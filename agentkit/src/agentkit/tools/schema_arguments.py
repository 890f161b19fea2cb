"""Arguments checked against a JSON Schema: for a tool of which nothing else is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from agentkit.foreign_schema import ForeignSchema, SchemaRefused
from agentkit.quote import quote
from agentkit.tools.tool import InvalidArguments


@dataclass(frozen=True)
class SchemaArguments:
    """What a model gives, handed on as one value named `arguments`.

    Raises InvalidArguments for what is no JSON Schema of an object.
    """

    schema: dict[str, Any]

    def __post_init__(self) -> None:
        if self.schema.get("type") != "object":
            raise InvalidArguments("it does not describe an object")
        try:
            _ = self._foreign
        except SchemaRefused as error:
            raise InvalidArguments(str(error)) from None

    def parse(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """See `Tool.parse`. Raises InvalidArguments, naming each place that is wrong."""
        try:
            problems = self._foreign.problems(arguments)
        except SchemaRefused as error:
            raise InvalidArguments(str(error)) from None
        if problems:
            raise InvalidArguments(quote("; ".join(problems)))
        return {"arguments": arguments}

    def named(self, keywords: dict[str, Any]) -> dict[str, Any]:
        """See `Arguments`."""
        arguments: dict[str, Any] = keywords["arguments"]
        return arguments

    @cached_property
    def _foreign(self) -> ForeignSchema:
        return ForeignSchema(self.schema)
