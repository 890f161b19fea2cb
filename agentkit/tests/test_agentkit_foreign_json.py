"""JSON of models, tools and servers: whatever they write, it is a value that a journal takes, or none."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from agentkit import (
    Agent,
    AllowList,
    AnthropicClient,
    GoogleClient,
    InMemoryJournal,
    OpenAiClient,
    PlanExecutePlanner,
    RetryPolicy,
)
from agentkit.errors import ModelMisbehaved
from agentkit.llm.replies import tool_call
from agentkit.mcp.result import result_of
from agentkit.messages import AssistantMessage, ToolCall, UserMessage, message_from_json, to_json
from agentkit.output import DoesNotFit, OutputSpec, output_spec
from agentkit.planning.plan import InvalidPlan, read_plan
from agentkit.planning.references import filled_in
from agentkit.testing import ChatServer, HttpReply, RecordingTool, ScriptedLlm, answer
from agentkit.wire import DEEPEST, foreign_json


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


NONE = [
    pytest.param(text, id=text[:12])
    for text in (nested(DEEPEST + 1), nested(100_000), "[" * 100_000, "NaN", "[-Infinity]", "1e999")
]


class Number(BaseModel):
    value: float


@pytest.mark.parametrize("text", NONE)
def test_what_no_journal_could_store_is_refused(text: str) -> None:
    """By the one error that text which is no JSON has, however deep it goes."""
    with pytest.raises(ValueError, match=r"nested more than 100 deep|no number"):
        foreign_json(text)


def test_what_is_read_can_be_written() -> None:
    """As deep as may be, once more as deep around it, and within a message."""
    result = nested(DEEPEST)
    reference = json.loads("[" * (DEEPEST - 1) + '"${a}"' + "]" * (DEEPEST - 1))
    arguments = filled_in({"x": reference}, {"a": result}, {})
    message = AssistantMessage("", (ToolCall("1", "t", arguments),))
    assert message == message_from_json(to_json(message))


@pytest.mark.parametrize("text", NONE)
def test_arguments_are_malformed(text: str) -> None:
    """The model will be told so."""
    written = f'{{"a": {text}}}'
    assert ({}, written) == ((call := tool_call("1", "t", written)).arguments, call.malformed)


@pytest.mark.parametrize("text", NONE)
@pytest.mark.parametrize(
    "spec", [OutputSpec("a", {}), output_spec(Number)], ids=["schema", "model"]
)
def test_an_answer_does_not_fit(text: str, spec: OutputSpec) -> None:
    """It is repaired, or refused by our own error."""
    with pytest.raises(DoesNotFit, match="it is not JSON"):
        spec.parse(f'{{"value": {text}}}')


@pytest.mark.parametrize("written", ["nan", "inf", "-Infinity"])
def test_a_model_that_makes_no_number_of_a_text(written: str) -> None:
    """pydantic takes such words for a float, which no JSON has: they were null in the journal."""
    with pytest.raises(DoesNotFit, match="not finite"):
        output_spec(Number).parse(json.dumps({"value": written}))


@pytest.mark.parametrize("text", NONE)
def test_a_plan_is_none(text: str) -> None:
    """Neither as a whole, nor with such arguments."""
    steps = [{"id": "a", "tool": "t", "arguments": text, "after": []}]
    with pytest.raises(InvalidPlan, match="it is not JSON"):
        read_plan(text, ["t"], (), 9)
    with pytest.raises(InvalidPlan, match="its arguments are no JSON"):
        read_plan(json.dumps({"steps": steps}), ["t"], (), 9)


@pytest.mark.parametrize("text", NONE)
def test_a_result_is_text(text: str) -> None:
    """A step that refers to it is given what was written."""
    assert filled_in({"x": "${a}"}, {"a": text}, {}) == {"x": text}


@pytest.mark.parametrize("text", NONE)
def test_a_server_says_it_beside_its_structured_result(text: str) -> None:
    """The text is not that result, so both are shown."""
    from mcp_types import CallToolResult, TextContent

    answered = CallToolResult(
        content=[TextContent(type="text", text=text)], structured_content={"a": 1}
    )
    assert f'{text}\n{{"a": 1}}' == result_of(answered).text


async def test_a_tool_cannot_end_a_planned_run() -> None:
    """Brackets without an end, referred to by the next step, are a text among others."""
    steps = [
        {"id": "a", "tool": "look", "arguments": {}},
        {"id": "b", "tool": "note", "arguments": {"text": "${a}"}},
    ]
    look, note = RecordingTool("look", "[" * 10_000), RecordingTool("note", "noted")
    llm = ScriptedLlm(
        [answer(json.dumps({"steps": steps})), answer('{"steps": []}'), answer("Done.")]
    )
    agent = Agent(
        llm,
        tools=[look.tool, note.tool],
        security=AllowList(["look", "note"]),
        planner=PlanExecutePlanner(),
        journal=InMemoryJournal(),
    )
    assert "Done." == (await agent.run("Look.")).output


@pytest.mark.parametrize("client", [OpenAiClient, AnthropicClient, GoogleClient])
async def test_a_server_that_nests_without_end_misbehaves(
    client: type[OpenAiClient | AnthropicClient | GoogleClient],
) -> None:
    """Its whole answer is read by the SDK, and is none."""
    async with ChatServer([HttpReply(200, b"[" * 100_000)]) as server:
        llm = client("m", "key", server.root_url, retry=RetryPolicy(attempts=1))
        with pytest.raises(ModelMisbehaved, match="something that is not"):
            await llm.complete([UserMessage("Hi.")])
        await llm.aclose()
