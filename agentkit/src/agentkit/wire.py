"""agentkit's dataclasses as plain JSON values and back, by pydantic's type adapters."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import JsonValue, TypeAdapter

T = TypeVar("T")


def adapter(kind: Any) -> TypeAdapter[Any]:
    """The adapter of one type or union, built on first use."""
    return _built(kind)


@lru_cache(maxsize=64)
def _built(kind: Any) -> TypeAdapter[Any]:
    # Imported here: pydantic would be most of what `import agentkit` costs.
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def to_json(value: object) -> JsonValue:
    """A message, reply, usage, decision or event as JSON values (a Decimal becomes a string)."""
    data: JsonValue = adapter(type(value)).dump_python(value, mode="json")
    return data


def from_json(kind: type[T], data: JsonValue) -> T:
    """The inverse of `to_json` for one class. Raises pydantic's ValidationError on other data."""
    value: T = adapter(kind).validate_python(data)
    return value
