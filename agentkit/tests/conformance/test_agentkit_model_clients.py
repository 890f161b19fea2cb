"""Every client of a model, with its real SDK, over real sockets, against two simulators and our own server.

One suite: a client that passes it can take another's place. What a simulator cannot do is in
`support.model_cases.CANNOT`, with the reason.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from agentkit.errors import (
    OutputInvalid,
)
from agentkit.messages import (
    Reply,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolMessage,
)
from agentkit.output import output_spec
from agentkit.tools.builtin import calculator, current_time
from support.model_cases import (
    ANSWER,
    CANNOT,
    GOAL,
    SERVERS,
    SETTINGS,
    on_servers,
    talking,
)
from support.model_script import (
    Dialect,
    ModelServer,
    Says,
)

PRODUCT: tuple[str, dict[str, Any]] = ("calculator", {"expression": "17 * 23"})
TOOLS = (calculator.spec, current_time.spec)


class Product(BaseModel):
    """What a structured answer must look like."""

    value: int


def made(calls: tuple[ToolCall, ...]) -> list[tuple[str, dict[str, Any]]]:
    return [(call.tool, call.arguments) for call in calls]


def test_what_a_simulator_cannot_do_another_server_does() -> None:
    """No case is missing everywhere."""
    for case in {case for _, case in CANNOT}:
        assert {(server, case) for server in SERVERS} - set(CANNOT), case


@on_servers("text")
async def test_text_and_usage(dialect: Dialect, models: ModelServer) -> None:
    """A text is a reply that ends; its tokens are counted and priced."""
    models.play(dialect, ANSWER)
    async with talking(dialect, models) as client:
        reply = await client.complete(GOAL, settings=SETTINGS)
    assert ("It is 391.", "end") == (reply.message.text, reply.stop)
    assert 0 < reply.usage.input_tokens
    assert 0 < reply.usage.output_tokens
    assert reply.usage.cost_usd is not None
    assert 0 < reply.usage.cost_usd


@on_servers("tools")
async def test_a_round_of_tools(dialect: Dialect, models: ModelServer) -> None:
    """A call arrives with its arguments, its observation is sent, and an answer follows."""
    models.play(dialect, Says(calls=[PRODUCT]), ANSWER)
    async with talking(dialect, models) as client:
        asked = await client.complete(GOAL, TOOLS, settings=SETTINGS)
        observed = [ToolMessage(call.id, call.tool, "391") for call in asked.message.tool_calls]
        told = await client.complete((*GOAL, asked.message, *observed), TOOLS, settings=SETTINGS)
    assert ("tool_calls", [PRODUCT]) == (asked.stop, made(asked.message.tool_calls))
    assert ("end", "It is 391.") == (told.stop, told.message.text)


@on_servers("parallel tools")
async def test_parallel_tools(dialect: Dialect, models: ModelServer) -> None:
    """Several calls keep their order and have ids of their own; all are answered in one go."""
    models.play(dialect, Says(calls=[PRODUCT, ("current_time", {})]), ANSWER)
    async with talking(dialect, models) as client:
        asked = await client.complete(GOAL, TOOLS, settings=SETTINGS)
        calls = asked.message.tool_calls
        observed = [ToolMessage(call.id, call.tool, "391") for call in calls]
        told = await client.complete((*GOAL, asked.message, *observed), TOOLS, settings=SETTINGS)
    assert [PRODUCT, ("current_time", {})] == made(calls)
    assert 2 == len({call.id for call in calls})
    assert "It is 391." == told.message.text


@on_servers("choice")
@pytest.mark.parametrize(
    ("choice", "called"),
    [("current_time", ["current_time"]), ("required", ["calculator"]), ("none", [])],
)
async def test_forced_and_forbidden_calls(
    dialect: Dialect, models: ModelServer, choice: str, called: list[str]
) -> None:
    """A server that obeys is told which tool must be called, that one must, or that none may."""
    models.play(dialect)
    async with talking(dialect, models) as client:
        offered = TOOLS if choice != "required" else TOOLS[:1]
        settings = replace(SETTINGS, tool_choice=choice)
        reply = await client.complete(GOAL, offered, settings=settings)
    assert called == [call.tool for call in reply.message.tool_calls]


@on_servers("stream")
async def test_a_stream_of_text(dialect: Dialect, models: ModelServer) -> None:
    """Its deltas are the text, and its last item is the reply that `complete` would have given."""
    models.play(dialect, ANSWER, stream=True)
    async with talking(dialect, models) as client:
        *deltas, reply = [item async for item in client.stream(GOAL, settings=SETTINGS)]
        models.play(dialect, ANSWER)
        whole = await client.complete(GOAL, settings=SETTINGS)
    assert "It is 391." == "".join(one.text for one in deltas if isinstance(one, TextDelta))
    assert isinstance(reply, Reply)
    assert whole.message == reply.message
    assert (whole.stop, whole.usage.input_tokens) == (reply.stop, reply.usage.input_tokens)


@on_servers("stream of tools")
async def test_a_stream_of_calls(dialect: Dialect, models: ModelServer) -> None:
    """The pieces of each call add up to it, under its place and its id."""
    calls = [PRODUCT, ("current_time", {})]
    models.play(dialect, Says(calls=calls), stream=True)
    async with talking(dialect, models) as client:
        *deltas, reply = [item async for item in client.stream(GOAL, TOOLS, settings=SETTINGS)]
    assert isinstance(reply, Reply)
    assert ("tool_calls", calls) == (reply.stop, made(reply.message.tool_calls))
    pieces = [one for one in deltas if isinstance(one, ToolCallDelta)]
    for index, call in enumerate(reply.message.tool_calls):
        own = [piece for piece in pieces if piece.index == index]
        assert {call.id} == {piece.id for piece in own} - {""}
        assert {call.tool} == {piece.tool for piece in own} - {""}
        assert call.arguments == json.loads("".join(piece.arguments for piece in own))


@on_servers("structured")
async def test_structured_output(dialect: Dialect, models: ModelServer) -> None:
    """An answer that fits is given as data; one that does not is repaired once, then an error."""
    output = output_spec(Product)
    fits, does_not = Says('{"value": 391}'), Says('{"value": "many"}')
    async with talking(dialect, models) as client:
        models.play(dialect, fits)
        assert {"value": 391} == (await client.complete(GOAL, (), output, SETTINGS)).structured
        models.play(dialect, does_not, fits)
        assert {"value": 391} == (await client.complete(GOAL, (), output, SETTINGS)).structured
        assert 2 == models.requests()
        models.play(dialect, does_not)
        with pytest.raises(OutputInvalid):
            await client.complete(GOAL, (), output, SETTINGS)
        assert 2 == models.requests()


@on_servers("structured stream")
async def test_structured_output_of_a_stream(dialect: Dialect, models: ModelServer) -> None:
    """The reply at the end of a stream has its data too."""
    models.play(dialect, Says('{"value": 391}'), stream=True)
    async with talking(dialect, models) as client:
        stream = client.stream(GOAL, (), output_spec(Product), SETTINGS)
        *_, reply = [item async for item in stream]
    assert isinstance(reply, Reply)
    assert {"value": 391} == reply.structured
