"""A condition on metadata, as a client writes it: `topic:drinks`, `year:2024`, `sure:true`, `code:"17"`."""

import json
import math
import re
from typing import Final

from ops_core.memories.port import Scalar
from ops_core.memories.request import BIGGEST_INT, MAX_KEY, MAX_VALUE

#: So long is a key with a text in quotes, of which each sign may be escaped.
MAX_CONDITION: Final = MAX_KEY + 1 + 2 * MAX_VALUE + 2

_JSON: Final = re.compile(r'-?\d.*|true|false|".*"', re.DOTALL)


def read_condition(text: str) -> tuple[str, Scalar]:
    """The key and what must be there: a number, true or false, and otherwise a text; `"17"` is one, too.

    A key that itself holds a colon cannot be asked for. Raises `ValueError`.
    """
    key, colon, said = text.partition(":")
    if not 1 <= len(key) <= MAX_KEY or not colon:
        raise ValueError("must look like key:value")
    value = _value(said)
    if isinstance(value, str) and len(value) > MAX_VALUE:
        raise ValueError(f"has a value of more than {MAX_VALUE} characters")
    return key, value


def _value(said: str) -> Scalar:
    try:
        value = json.loads(said) if _JSON.fullmatch(said) else said
    except ValueError:
        return said
    match value:
        case str() | bool():
            return value
        case int() if abs(value) <= BIGGEST_INT:
            return value
        case float() if math.isfinite(value):
            return value
    return said
