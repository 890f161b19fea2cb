"""Any model behind OpenAI's chat completions: OpenAI, OpenRouter, or a compatible server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any

from agentkit.errors import UsageError
from agentkit.llm import openai_wire
from agentkit.llm.failures import without_password
from agentkit.llm.openai_errors import translate
from agentkit.llm.openai_stream import Accumulated
from agentkit.llm.port import ModelRequest
from agentkit.llm.pricing import priced
from agentkit.llm.provider import ProviderClient
from agentkit.llm.retry import RetryPolicy
from agentkit.messages import Delta, Reply

_OFFICIAL_URL = "https://api.openai.com/v1"

_PRICED_PROVIDERS = frozenset({"openai", "openrouter"})
"""Names whose prices are looked up by name; others by the address of their server."""


class OpenAiClient(ProviderClient):
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
        super().__init__(model, name, retry)
        self._secret = api_key
        self._base_url = without_password(base_url or _OFFICIAL_URL)
        # OpenAI's newer models refuse `max_tokens`; most other servers know nothing else.
        self._max_tokens_name = "max_tokens" if base_url else "max_completion_tokens"
        # base_url is always given: without it the SDK would read the environment.
        self._sdk = openai.AsyncOpenAI(
            api_key=api_key, base_url=base_url or _OFFICIAL_URL, max_retries=0
        )

    async def aclose(self) -> None:
        """See `ProviderClient`."""
        await self._sdk.close()

    async def _complete(self, request: ModelRequest) -> Reply:
        arguments = openai_wire.request(self.model, request, self._max_tokens_name)
        with self._translated():
            completion = await self._sdk.chat.completions.create(**arguments)
        return self._priced(openai_wire.from_wire(completion, self.model))

    async def _stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Reply, None]:
        arguments = openai_wire.request(self.model, request, self._max_tokens_name)
        arguments |= {"stream": True, "stream_options": {"include_usage": True}}
        whole = Accumulated()
        with self._translated():
            chunks: Any = await self._sdk.chat.completions.create(**arguments)
            async with chunks:
                async for chunk in chunks:
                    for delta in whole.add(chunk):
                        yield delta
        yield self._priced(openai_wire.from_wire(whole.completion(), self.model))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import openai

        try:
            yield
        # ValueError: a body or chunk that is not JSON leaves the SDK as a bare decoding error.
        except (openai.OpenAIError, ValueError) as error:
            raise translate(error, self._name, self._base_url, self._secret) from None

    def _priced(self, reply: Reply) -> Reply:
        provider = self._name if self._name in _PRICED_PROVIDERS else None
        return priced(reply, provider, self._base_url)
