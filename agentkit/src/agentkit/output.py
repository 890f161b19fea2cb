"""Structured output: what an answer must look like, and whether it does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from agentkit.errors import UsageError
from agentkit.foreign_schema import ForeignSchema, SchemaRefused
from agentkit.quote import quote
from agentkit.schema_references import wrong_reference
from agentkit.wire import foreign_json

if TYPE_CHECKING:
    from pydantic import BaseModel, JsonValue


class DoesNotFit(ValueError):
    """An answer does not fit; the text is written for the model."""


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """The JSON Schema of an answer, under a name that providers are told.

    With a `model`, its own validation decides, defaults and validators included.
    """

    name: str
    schema: dict[str, Any]
    model: type[BaseModel] | None = None

    def parse(self, text: str) -> JsonValue:
        """The answer as JSON. Raises DoesNotFit, naming each place that is wrong."""
        try:
            data: JsonValue = foreign_json(text)
        except ValueError as error:
            raise DoesNotFit(f"it is not JSON ({error})") from None
        return _by_schema(self.schema, data) if self.model is None else _by_model(self.model, data)


Output: TypeAlias = "OutputSpec | type[BaseModel] | dict[str, Any]"
"""How a caller may ask for structured output: a pydantic model or a JSON Schema will do."""


def output_spec(output: Output) -> OutputSpec:
    """The spec of a pydantic model or of a JSON Schema, whose `title` is its name.

    Raises UsageError for a schema that is none, or refers to what it does not hold.
    """
    if isinstance(output, OutputSpec):
        return output
    if isinstance(output, dict):
        _check_schema(output)
        return OutputSpec(str(output.get("title", "answer")), output)
    return OutputSpec(output.__name__, output.model_json_schema(), output)


def _by_model(model: type[BaseModel], data: JsonValue) -> JsonValue:
    from pydantic import ValidationError

    try:
        valid: JsonValue = model.model_validate(data).model_dump(mode="json", by_alias=True)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, detail['loc'])) or 'the answer'}: {detail['msg']}"
            for detail in error.errors()
        ]
        raise DoesNotFit(quote("; ".join(problems))) from None
    try:
        json.dumps(valid, allow_nan=False)
    except ValueError:
        raise DoesNotFit("it has a number that is not finite") from None
    return valid


def _by_schema(schema: dict[str, Any], data: JsonValue) -> JsonValue:
    try:
        problems = ForeignSchema(schema).problems(data)
    except SchemaRefused as error:
        raise UsageError(f"The output cannot be checked: {error}.") from None
    if problems:
        raise DoesNotFit(quote("; ".join(problems)))
    return data


def _check_schema(schema: dict[str, Any]) -> None:
    try:
        ForeignSchema(schema)
    except SchemaRefused as error:
        raise UsageError(f"The output is not a JSON Schema: {error}") from None
    wrong = wrong_reference(schema)
    if wrong is not None:
        raise UsageError(f"The output {wrong}.")
