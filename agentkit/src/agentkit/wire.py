"""agentkit's dataclasses as plain JSON values and back, by pydantic's type adapters.

And JSON that others wrote, held to what these values can take.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    from pydantic import JsonValue, TypeAdapter

T = TypeVar("T")

DEEPEST = 100
"""How deep the JSON of others may be nested. pydantic writes 255 levels: room for the message around
it, and for one such value inside of another, as where a plan's step refers to a result."""


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


def foreign_json(text: str) -> Any:
    """JSON in the hand of a model, a tool or a server. Raises ValueError, never RecursionError.

    NaN and infinite numbers, also by way of 1e999, and what is nested too deeply are refused: no
    journal could store them.
    """
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_no_number)
    except RecursionError:
        raise _too_deep() from None
    level = [value]
    for _ in range(DEEPEST + 1):
        if not level:
            return value
        level = [inner for outer in level for inner in _inside(outer)]
    raise _too_deep()


def _inside(value: Any) -> Iterable[Any]:
    match value:
        case dict():
            return value.values()
        case list():
            return value
    return ()


def _too_deep() -> ValueError:
    return ValueError(f"nested more than {DEEPEST} deep")


def _finite(written: str) -> float:
    number = float(written)
    return number if isfinite(number) else _no_number(written)


def _no_number(written: str) -> NoReturn:
    raise ValueError(f"{written[:40]} is no number that JSON has")
