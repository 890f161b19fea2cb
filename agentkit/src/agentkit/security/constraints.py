"""What an argument must be for a rule to apply.

A constraint answers yes, no, or None where it cannot be judged (another type, NaN, too long). What
cannot be judged counts against the call: an `allow` needs a yes, a `deny` or `ask` applies unless
the answer is no.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from agentkit.errors import UsageError

if TYPE_CHECKING:
    from pydantic import JsonValue

Constraint: TypeAlias = "Callable[[JsonValue], bool | None]"

LONGEST_MATCHED = 10_000
"""Characters that a pattern is tried on: a careless one could otherwise be made to take for ever."""


def equals(value: JsonValue) -> Constraint:
    """The argument is pinned to one value."""
    return one_of(value)


def one_of(*values: JsonValue) -> Constraint:
    """The argument is one of these. True is not 1 here, as it is not in JSON."""

    def holds(given: JsonValue) -> bool | None:
        return any(_same(given, value) for value in values)

    return holds


def matching(pattern: str) -> Constraint:
    """The whole text fits a regular expression. Raises UsageError for one that is none."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"matching({pattern!r}): {error}.") from None

    def holds(given: JsonValue) -> bool | None:
        if not isinstance(given, str) or len(given) > LONGEST_MATCHED:
            return None
        return compiled.fullmatch(given) is not None

    return holds


def between(low: float = -math.inf, high: float = math.inf) -> Constraint:
    """The number is from `low` to `high`, both included. Raises UsageError when none could be."""
    if not low <= high:
        raise UsageError(f"between({low}, {high}): no number is.")

    def holds(given: JsonValue) -> bool | None:
        if isinstance(given, bool) or not isinstance(given, int | float) or math.isnan(given):
            return None
        return low <= given <= high

    return holds


def above(bound: float) -> Constraint:
    """The number is greater than `bound`."""
    within = between(high=bound)

    def holds(given: JsonValue) -> bool | None:
        held = within(given)
        return None if held is None else not held

    return holds


def every(constraint: Constraint) -> Constraint:
    """The argument is a list, and each of its items is as the constraint says."""

    def holds(given: JsonValue) -> bool | None:
        return _all([constraint(item) for item in given]) if isinstance(given, list) else None

    return holds


def some(constraint: Constraint) -> Constraint:
    """The argument is a list, and one of its items at least is as the constraint says."""

    def holds(given: JsonValue) -> bool | None:
        if not isinstance(given, list):
            return None
        answers = [constraint(item) for item in given]
        return None if None in answers and True not in answers else True in answers

    return holds


def _all(answers: list[bool | None]) -> bool | None:
    return None if None in answers and False not in answers else False not in answers


def _same(given: JsonValue, value: JsonValue) -> bool:
    match given, value:
        case (list(), list()):
            return len(given) == len(value) and all(map(_same, given, value))
        case (dict(), dict()):
            return given.keys() == value.keys() and all(
                _same(one, value[name]) for name, one in given.items()
            )
    return isinstance(given, bool) == isinstance(value, bool) and given == value
