"""Real models, asked with real keys, for real money: a few cents. Only with `pytest -m live`.

A provider is asked when its key is in the environment (`OPENAI_API_KEY`, `OPENROUTER_API_KEY`,
`ANTHROPIC_API_KEY`, `GOOGLE_API_KEY`); `LIVE_OPENAI_MODEL` and its like choose another model.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import pytest
from pydantic import BaseModel

from agentkit import Agent, AgentProfile, AllowList
from agentkit.errors import AuthenticationFailed, BadRequest
from agentkit.llm import ModelSettings
from agentkit.llm.anthropic import AnthropicClient
from agentkit.llm.google import GoogleClient
from agentkit.llm.openai import OpenAiClient
from agentkit.llm.openrouter import OpenRouterClient
from agentkit.llm.provider import ProviderClient
from agentkit.messages import Message, Reply, TextDelta, UserMessage
from agentkit.output import output_spec
from agentkit.tools.builtin import calculator

SETTINGS = ModelSettings(timeout_s=60, max_tokens=2000)
GOAL: tuple[Message, ...] = (UserMessage("Reply with the single word: hello"),)


@dataclass(frozen=True)
class Provider:
    name: str
    model: str
    client: Callable[[str, str], ProviderClient]

    @property
    def key_name(self) -> str:
        return f"{self.name.upper()}_API_KEY"

    def asked(self, key: str) -> ProviderClient:
        model = os.environ.get(f"LIVE_{self.name.upper()}_MODEL", self.model)
        return self.client(model, key)


PROVIDERS = [
    Provider("openai", "gpt-5.4-mini", OpenAiClient),
    Provider("openrouter", "openai/gpt-5.4-mini", OpenRouterClient),
    Provider("anthropic", "claude-haiku-5-5", AnthropicClient),
    Provider("google", "gemini-3.8-flash", GoogleClient),
]

EACH = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)


@pytest.fixture
async def client(provider: Provider) -> AsyncIterator[ProviderClient]:
    key = os.environ.get(provider.key_name)
    if not key:
        pytest.skip(f"{provider.key_name} is not set")
    asked = provider.asked(key)
    yield asked
    await asked.aclose()


class Product(BaseModel):
    value: int


def test_there_is_a_key() -> None:
    """Asked for live tests without any key, they say so instead of all being skipped."""
    assert [provider.key_name for provider in PROVIDERS if os.environ.get(provider.key_name)]


@EACH
async def test_text_and_stream(client: ProviderClient) -> None:
    """A text comes whole and in pieces, counted and priced."""
    reply = await client.complete(GOAL, settings=SETTINGS)
    *deltas, streamed = [item async for item in client.stream(GOAL, settings=SETTINGS)]
    assert isinstance(streamed, Reply)
    for one in (reply, streamed):
        assert ("end", True) == (one.stop, "hello" in one.message.text.lower())
        assert one.usage.input_tokens > 0
        assert one.usage.cost_usd is not None
    text = "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))
    assert streamed.message.text == text


@EACH
async def test_a_run_with_tools(client: ProviderClient) -> None:
    """Calls, observations and reasoning go back and forth until there is an answer."""
    profile = AgentProfile(settings=SETTINGS)
    agent = Agent(client, tools=[calculator], profile=profile, security=AllowList(["calculator"]))
    result = await agent.run("Use the calculator for 1234567 * 7654321 and tell me the product.")
    assert "answered" == result.reason
    assert "9449772114007" in result.output.replace(",", "").replace(" ", "")


@EACH
async def test_structured_output(client: ProviderClient) -> None:
    """The provider's own mode gives what the schema asks for, beside tools too."""
    question = (UserMessage("How many days has a week?"),)
    for tools in ((), (calculator.spec,)):
        reply = await client.complete(question, tools, output_spec(Product), SETTINGS)
        assert {"value": 7} == reply.structured


@EACH
async def test_forced_calls(client: ProviderClient) -> None:
    """A tool that must be called is called."""
    forced = replace(SETTINGS, tool_choice="calculator")
    reply = await client.complete(GOAL, [calculator.spec], settings=forced)
    assert ["calculator"] == [call.tool for call in reply.message.tool_calls][:1]


@EACH
async def test_a_wrong_key_and_a_wrong_model(client: ProviderClient, provider: Provider) -> None:
    """Each is told apart, and neither is tried again."""
    wrong = provider.client(client.model, "sk-nobody-issued-this-key-00000000")
    with pytest.raises(AuthenticationFailed):
        await wrong.complete(GOAL, settings=SETTINGS)
    await wrong.aclose()
    unknown = provider.client("no-such-model-at-all", os.environ[provider.key_name])
    with pytest.raises(BadRequest):
        await unknown.complete(GOAL, settings=SETTINGS)
    await unknown.aclose()
