"""The tools that come with agentkit."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from agentkit import InMemoryJournal, RunContext
from agentkit.errors import UsageError
from agentkit.journal import Step
from agentkit.testing import FrozenClock
from agentkit.tools import InvalidArguments, Tool
from agentkit.tools.builtin import ask_user, calculator, current_time, run_tasks, sleep


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


async def called(tool: Tool, arguments: dict[str, Any], **journal: Any) -> str:
    async with RunContext(InMemoryJournal(**journal), "1/tool/1") as context:
        return await tool.call(tool.parse(arguments), context)


async def test_a_question_waits_for_its_answer() -> None:
    """The user's words are what the model reads."""

    async def reply(step: Step) -> str:
        assert {"question": "Red or blue?"} == step.arguments
        return "Blue, please."

    assert "Blue, please." == await called(ask_user, {"question": "Red or blue?"}, answer=reply)


async def test_nobody_to_ask() -> None:
    """The program that forgot to say who answers is told, not the model."""
    with pytest.raises(UsageError, match=r"InMemoryJournal\(answer="):
        await called(ask_user, {"question": "Red or blue?"})


async def test_a_sleep_sleeps() -> None:
    """For as long as the model said, and not a moment of it in the tool's own time."""
    slept: list[float] = []

    async def nap(seconds: float) -> None:
        slept.append(seconds)

    assert "3600 seconds have passed." == await called(sleep, {"seconds": 3600}, sleep=nap)
    assert [3600] == slept


async def test_tasks_run_and_tell_their_outcomes() -> None:
    """The model reads of each how it ended; a long outcome leaves room for the others."""

    async def run_child(goal: str, _: dict[str, Any]) -> str:
        if goal == "fail":
            raise OSError("reset")
        return goal * 30_000

    goals = {"goals": ["a", "fail", "b"]}
    told = json.loads(await called(run_tasks, goals, run_id="r", run_child=run_child))
    assert ["completed", "failed", "completed"] == [child["status"] for child in told]
    assert "OSError: reset" == told[1]["error"]
    assert told[2]["output"].startswith("bbb")
    assert "[cut: 6666 of 30000 characters shown]" in told[2]["output"]


async def test_nothing_runs_tasks() -> None:
    """The program that forgot to say how is told, not the model."""
    with pytest.raises(UsageError, match=r"InMemoryJournal\(run_child="):
        await called(run_tasks, {"goals": ["a"]})


async def test_more_tasks_than_there_are_cannot_be_needed() -> None:
    """It is found before one is started."""
    with pytest.raises(ValueError, match="need is 2, and there are only 1 goals"):
        await called(run_tasks, {"goals": ["a"], "need": 2})


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        (sleep, {"seconds": 0.5}),
        (sleep, {"seconds": 31 * 24 * 3600}),
        (run_tasks, {"goals": []}),
        (run_tasks, {"goals": ["a"] * 51}),
        (run_tasks, {"goals": ["a"], "need": 0}),
        (ask_user, {"question": "a" * 2001}),
    ],
)
def test_what_a_model_may_ask_for_is_bounded(tool: Tool, arguments: dict[str, Any]) -> None:
    """A model in a loop can neither sleep for a year nor start a thousand tasks."""
    with pytest.raises(InvalidArguments):
        tool.parse(arguments)
