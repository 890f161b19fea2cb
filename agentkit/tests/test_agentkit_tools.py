"""`@tool`: schema, validation, execution."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from agentkit.errors import FailedBeforeEffect, UsageError
from agentkit.tools import InvalidArguments, TimedOut, Tool, ToolRegistry, tool


class Unit(StrEnum):
    """Units of temperature."""

    CELSIUS = "celsius"
    KELVIN = "kelvin"


class Place(BaseModel):
    """A place with a name."""

    name: str


@tool
def forecast(
    place: Place,
    days: Annotated[int, "how many days", Field(ge=1, le=7)] = 3,
    unit: Unit = Unit.CELSIUS,
    mode: Literal["short", "long"] = "short",
) -> str:
    """Tell the weather of the next days."""
    return f"{place.name} {days} {unit.value} {mode}"


def test_the_manual_comes_from_the_function() -> None:
    """Name and description are the function's."""
    expected = ("forecast", "Tell the weather of the next days.")
    assert expected == (forecast.spec.name, forecast.spec.description)


def test_the_schema_comes_from_the_signature() -> None:
    """Types, defaults, bounds, enums and descriptions reach the JSON Schema."""
    schema = forecast.spec.parameters
    days = {
        "type": "integer",
        "default": 3,
        "minimum": 1,
        "maximum": 7,
        "description": "how many days",
    }
    assert (["place"], False) == (schema["required"], schema["additionalProperties"])
    assert days == schema["properties"]["days"]
    assert ["celsius", "kelvin"] == schema["$defs"]["Unit"]["enum"]
    assert ["short", "long"] == schema["properties"]["mode"]["enum"]


async def test_arguments_become_typed_values() -> None:
    """Nested models and enums are built; defaults are filled in."""
    keywords = forecast.parse({"place": {"name": "Oslo"}, "unit": "kelvin"})
    assert "Oslo 3 kelvin short" == await forecast.call(keywords)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "place: Field required"),
        ({"place": {"name": "Oslo"}, "days": 9}, "days: .* less than or equal to 7 .given: 9."),
        ({"place": {"name": "Oslo"}, "dayz": 1}, "dayz: Extra inputs"),
        ({"place": {}}, "place.name: Field required"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], said: str) -> None:
    """The model reads which argument is wrong, why, and what it gave."""
    with pytest.raises(InvalidArguments, match=said):
        forecast.parse(arguments)


def without_docstring(text: str) -> str:
    return text


def untyped(text) -> str:  # type: ignore[no-untyped-def]
    """Do something."""
    return str(text)


def variadic(*texts: str) -> str:
    """Do something."""
    return "".join(texts)


def unknown_type(text: Nowhere) -> str:  # type: ignore[name-defined]  # noqa: F821
    """Do something."""
    return str(text)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (without_docstring, "write a docstring"),
        (untyped, "give parameter text a type"),
        (variadic, "cannot be filled by name"),
        (unknown_type, "the type of a parameter cannot be found .name 'Nowhere'"),
        (lambda: 1, "a name is letters"),
    ],
)
def test_a_function_no_model_could_use_is_refused(function: Callable[..., Any], said: str) -> None:
    """The mistake is found when the tool is made, not when a model calls it."""
    with pytest.raises(UsageError, match=said):
        tool(function)


def test_a_tool_is_unsafe_unless_declared_otherwise() -> None:
    """Forgetting to declare an effect must never make a tool repeatable."""
    assert "unsafe" == forecast.effect


def test_retries_on_an_unsafe_tool_are_refused() -> None:
    """A retry could send the same mail twice."""
    with pytest.raises(UsageError, match="could repeat its effect"):

        @tool(retries=1)
        def send(text: str) -> None:
            """Send it."""


async def test_retries_of_a_repeatable_tool() -> None:
    """A pure tool that fails once is called once more."""
    calls: list[int] = []

    @tool(effect="pure", retries=1)
    def flaky() -> str:
        """Fail once."""
        calls.append(1)
        if len(calls) == 1:
            raise OSError("busy")
        return "ok"

    assert "ok" == await flaky.call({})


async def test_retries_end() -> None:
    """One retry is two calls, and then the tool's own error."""
    calls: list[int] = []

    @tool(effect="idempotent", retries=1)
    async def broken() -> str:
        """Fail always."""
        calls.append(1)
        raise OSError("busy")

    with pytest.raises(OSError, match="busy"):
        await broken.call({})
    assert 2 == len(calls)


async def test_a_sync_tool_does_not_block_the_loop() -> None:
    """A blocking function runs in a thread, while the event loop goes on."""
    gate = threading.Event()

    @tool
    def wait() -> bool:
        """Wait for the gate."""
        return gate.wait(timeout=10)

    waiting = asyncio.create_task(wait.call({}))
    await asyncio.sleep(0)
    gate.set()
    assert "true" == await waiting


async def test_calls_that_are_stuck_keep_no_other_waiting() -> None:
    """More of them than any pool has threads, and the next one starts at once."""
    gate = threading.Event()

    @tool(effect="pure", timeout_s=0.05)
    def stuck() -> None:
        """Wait."""
        gate.wait(30)

    @tool
    def quick() -> str:
        """Answer."""
        return "here"

    left = await asyncio.gather(*(stuck.call({}) for _ in range(40)), return_exceptions=True)
    try:
        assert ({TimedOut}, "here") == (set(map(type, left)), await quick.call({}))
    finally:
        gate.set()


def test_a_stuck_call_does_not_keep_the_program_from_ending() -> None:
    """The event loop is over while the function still waits; nobody hears of its end."""
    gate, done = threading.Event(), threading.Event()

    @tool(effect="pure", timeout_s=0.05)
    def stuck() -> None:
        """Wait."""
        gate.wait(3)
        done.set()

    with pytest.raises(TimedOut):
        asyncio.run(stuck.call({}))
    assert not done.is_set()
    gate.set()
    assert done.wait(30)


async def test_a_call_that_gets_no_thread_had_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is in doubt: it never began."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    @tool
    def send() -> None:
        """Send it."""

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(FailedBeforeEffect, match="can't start new thread"):
        await send.call({})


async def test_a_slow_tool_times_out() -> None:
    """After timeout_s the call is cancelled."""

    @tool(timeout_s=0.01)
    async def slow() -> None:
        """Never return."""
        await asyncio.Event().wait()

    with pytest.raises(TimedOut, match=r"slow took longer than 0\.01 s"):
        await slow.call({})


async def test_a_sync_tool_may_raise_stop_iteration() -> None:
    """An exception that cannot cross threads becomes one that can, instead of a hang."""

    @tool
    def exhausted() -> str:
        """Take from nothing."""
        return str(next(iter([])))

    with pytest.raises(RuntimeError, match="StopIteration"):
        await exhausted.call({})


async def test_long_output_is_cut_and_says_so() -> None:
    """The model sees the beginning and knows that there was more."""

    @tool(max_output=5)
    def talk() -> str:
        """Say a lot."""
        return "0123456789"

    assert "01234\n[cut: 5 of 10 characters shown]" == await talk.call({})


@dataclass
class Point:
    """A point."""

    x: int


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        ("as it is", "as it is"),
        (None, "(done, no output)"),
        ({"a": [1, 2]}, '{"a":[1,2]}'),
        (Place(name="Oslo"), '{"name":"Oslo"}'),
        (Point(1), '{"x":1}'),
    ],
)
async def test_results_become_text(result: object, shown: str) -> None:
    """Text stays text; everything else becomes JSON."""

    @tool
    def give() -> object:
        """Give it."""
        return result

    assert shown == await give.call({})


def test_a_registry_refuses_a_second_tool_of_the_same_name() -> None:
    """Which of the two the model meant could not be known."""
    with pytest.raises(UsageError, match="Two tools are named forecast"):
        ToolRegistry([forecast, forecast])


def test_a_registry_refuses_a_bare_function() -> None:
    """Forgetting @tool is said, instead of failing later."""
    with pytest.raises(UsageError, match="decorate the function with @tool"):
        ToolRegistry([untyped])  # type: ignore[list-item]


def test_a_registry_offers_its_tools_in_order() -> None:
    """Specs come in the order of registration: a prompt that changes order is another prompt."""
    tools: list[Tool] = [tool(name=name)(documented) for name in ("b", "a", "c")]
    assert ["b", "a", "c"] == [spec.name for spec in ToolRegistry(tools).specs]


def documented() -> None:
    """Do nothing."""
