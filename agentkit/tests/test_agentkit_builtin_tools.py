"""The calculator and the clock."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agentkit import InMemoryJournal, RunContext
from agentkit.testing import FrozenClock
from agentkit.tools.builtin import calculator, current_time


async def calculate(expression: str) -> str:
    return await calculator.call(calculator.parse({"expression": expression}))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("17 * 23", "391"),
        ("2 + 3 * 4", "14"),
        ("(2 + 3) * 4", "20"),
        ("-2 ** 2", "-4"),
        ("144 / 12", "12"),
        ("1 / 8", "0.125"),
        ("7 // 2 + 7 % 2", "4"),
        (" +2 ** 100 ", "1267650600228229401496703205376"),
        ("2 ** -1", "0.5"),
        ("0.1 + 0.2", "0.30000000000000004"),
    ],
)
async def test_arithmetic(expression: str, value: str) -> None:
    """Arithmetic has the usual precedence, exact whole numbers, and whole quotients as such."""
    assert value == await calculate(expression)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("__import__('os').getcwd()", "only numbers"),
        ("a + 1", "only numbers"),
        ("'a' * 9", "only numbers"),
        ("True + 1", "only numbers"),
        ("1j * 2", "only numbers"),
        ("1 if 1 else 2", "only numbers"),
        ("17 *", "not an arithmetic expression"),
        ("", "not an arithmetic expression"),
        ("1 / 0", "division by zero"),
        ("0 ** -1", "division by zero"),
        ("9 ** 9 ** 9", "power is too large"),
        ("2 ** 2000 * 2 ** 2000 * 2 ** 2000", "number is too large"),
        ("1e308 * 10 ** 400", "too large"),
        ("10.0 ** 400", "too large"),
        ("(-8) ** 0.5", "root of a negative"),
        ("9" * 201, "longer than 200"),
        ("(" * 100 + "1" + ")" * 99, "not an arithmetic expression"),
    ],
)
async def test_what_is_not_arithmetic_is_refused(expression: str, said: str) -> None:
    """Names, calls, strings and numbers that would not fit are refused with a reason."""
    with pytest.raises(ValueError, match=said):
        await calculate(expression)


def test_the_calculator_is_pure() -> None:
    """It may be run again by a replay."""
    assert "pure" == calculator.effect


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "2026-07-01T12:00:00+00:00 UTC"),
        ({"zone": "UTC"}, "2026-07-01T12:00:00+00:00 UTC"),
        ({"zone": "Europe/Paris"}, "2026-07-01T14:00:00+02:00 Europe/Paris"),
    ],
)
async def test_the_time_in_a_zone(arguments: dict[str, str], told: str) -> None:
    """The moment of the run's clock is told in the zone asked for, UTC by default."""
    clock = FrozenClock(datetime(2026, 7, 1, 12, tzinfo=UTC))
    context = RunContext(InMemoryJournal(), "1/tool/1", clock=clock)
    assert told == await current_time.call(current_time.parse(arguments), context)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../../etc/passwd", "/etc/passwd", "Europe"])
async def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    """The model reads what a zone looks like; no file outside the zone data is opened."""
    with pytest.raises(ValueError, match="is not an IANA time zone"):
        await current_time.call({"zone": zone})
