"""Arguments as they were given: everything the tool gets, under the names that the model knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import AliasChoices, BaseModel, JsonValue, RootModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python


def as_given(model: type[BaseModel], keywords: Mapping[str, Any]) -> dict[str, JsonValue]:
    """The parsed values of the fields of `model`, as JSON.

    By alias, and with what is excluded from a dump: a rule is about the name in the schema, and
    nothing that the tool gets may be kept from it.
    """
    return {
        name_in_schema(name, model.model_fields[name]): in_json(_whole(value))
        for name, value in keywords.items()
    }


def in_json(value: object) -> Any:
    """A value as JSON, whatever it is."""
    return to_jsonable_python(value, bytes_mode="base64", fallback=str)


def name_in_schema(name: str, field: FieldInfo) -> str:
    """The name by which a model gives the field."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        alias = next((one for one in alias.choices if isinstance(one, str)), None)
    return alias if isinstance(alias, str) else name


def _whole(value: Any) -> Any:
    """The value with each model in it, or pydantic dataclass, as the dict of all its fields."""
    if isinstance(value, RootModel):
        return _whole(value.root)
    fields: Mapping[str, FieldInfo] | None = getattr(type(value), "__pydantic_fields__", None)
    if fields is not None:
        own = {name_in_schema(name, one): getattr(value, name) for name, one in fields.items()}
        return _whole(own | (getattr(value, "model_extra", None) or {}))
    if isinstance(value, Mapping):
        return {key: _whole(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_whole(one) for one in value]
    return value
