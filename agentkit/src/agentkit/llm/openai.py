"""Any model behind OpenAI's chat completions: OpenAI, OpenRouter, or a compatible server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from agentkit.errors import UsageError
from agentkit.llm import openai_wire
from agentkit.llm.openai_errors import translate
from agentkit.llm.port import ModelSettings
from agentkit.llm.pricing import cost_usd
from agentkit.llm.retry import RetryPolicy
from agentkit.messages import Message, Reply, ToolSpec

_OFFICIAL_URL = "https://api.openai.com/v1"

_PRICED_PROVIDERS = frozenset({"openai", "openrouter"})
"""Names whose prices are looked up by name; others by the address of their server."""


class OpenAiClient:
    """A model by its name and key; `base_url` is the root of another server, ending in /v1.

    `name` is what errors call the provider. Connections are reused between calls and closed by
    `aclose`. Raises UsageError when the `openai` extra is not installed or the key is empty.
    """

    def __init__(
        self,
        model: str,
        api_key: str,
        base_url: str | None = None,
        name: str = "openai",
        retry: RetryPolicy | None = None,
    ) -> None:
        # Imported here: the SDK takes a second to import, and belongs to those who use it.
        try:
            import openai
        except ImportError:
            raise UsageError(
                "The OpenAI client needs its SDK: pip install 'agentkit[openai]'."
            ) from None
        if not api_key:
            raise UsageError(
                f"No API key for {name}: give one (any text for a server that needs none)."
            )
        self.model = model
        self._name = name
        self._secret = api_key
        self._base_url = _without_password(base_url or _OFFICIAL_URL)
        # OpenAI's newer models refuse `max_tokens`; most other servers know nothing else.
        self._max_tokens_name = "max_tokens" if base_url else "max_completion_tokens"
        self._retry = retry or RetryPolicy()
        # base_url is always given: without it the SDK would read the environment.
        self._sdk = openai.AsyncOpenAI(
            api_key=api_key, base_url=base_url or _OFFICIAL_URL, max_retries=0
        )

    async def complete(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], settings: ModelSettings
    ) -> Reply:
        """Ask once, with native tool calling, trying again within the retry budget."""
        request = openai_wire.request(self.model, messages, tools, settings, self._max_tokens_name)
        return await self._retry.call(lambda: self._attempt(request, settings.timeout_s))

    async def aclose(self) -> None:
        """Close the connections; the client cannot be used afterwards."""
        await self._sdk.close()

    async def _attempt(self, request: dict[str, Any], timeout_s: float) -> Reply:
        import openai

        try:
            # The SDK's timeout is for each read; ours is for all of them together.
            async with asyncio.timeout(timeout_s):
                completion = await self._sdk.chat.completions.create(**request, timeout=timeout_s)
        except (openai.OpenAIError, TimeoutError, ValueError) as error:
            # ValueError: a body that is not JSON leaves the SDK as a bare decoding error.
            raise translate(error, self._name, self._base_url, self._secret) from None
        reply = openai_wire.from_wire(completion, self.model)
        provider = self._name if self._name in _PRICED_PROVIDERS else None
        counts = openai_wire.token_counts(completion)
        price = cost_usd(provider, self._base_url, reply.model, *counts)
        return replace(reply, usage=replace(reply.usage, cost_usd=price))


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
