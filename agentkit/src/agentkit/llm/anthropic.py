"""Claude, through Anthropic's own Messages API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from agentkit.errors import UsageError
from agentkit.llm import anthropic_wire
from agentkit.llm.addresses import checked_base_url
from agentkit.llm.anthropic_errors import translate
from agentkit.llm.anthropic_stream import Accumulated
from agentkit.llm.connections import CONNECT_TIMEOUT_S, MAX_ANSWER_BYTES, http_client
from agentkit.llm.failures import without_password
from agentkit.llm.keys import checked_key
from agentkit.llm.port import ModelRequest
from agentkit.llm.pricing import priced
from agentkit.llm.provider import ProviderClient
from agentkit.llm.retry import RetryPolicy
from agentkit.messages import Delta, Reply

_OFFICIAL_URL = "https://api.anthropic.com"

_NAME = "anthropic"


class AnthropicClient(ProviderClient):
    """A Claude model by its name and key; `base_url` is the root of another server, without /v1.

    `name` is what errors call the provider, and what the model's reasoning is kept under; only one
    that is given says whose prices hold at `base_url`. `headers` go with every request, `proxy` is
    the address of an HTTP proxy. Connections are reused between calls and closed by `aclose`. Of an
    answer at most `max_answer_bytes` are read.
    Raises UsageError when the `anthropic` extra is not installed or the key cannot be one.
    """

    def __init__(
        self,
        model: str,
        api_key: str,
        base_url: str | None = None,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        # Imported here: the SDK takes two seconds to import, and belongs to those who use it.
        try:
            import anthropic
        except ImportError:
            raise UsageError(
                "The Anthropic client needs its SDK: pip install 'agentkit[anthropic]'."
            ) from None
        checked_key(name or _NAME, api_key)
        super().__init__(model, name or _NAME, retry)
        self._priced_as = name
        self._secret = api_key
        checked_base_url(base_url or _OFFICIAL_URL)
        self._base_url = without_password(base_url or _OFFICIAL_URL)
        # base_url is always given: without it the SDK would read the environment. Its own spans
        # are off: agentkit's listener makes one for each call, and two would count tokens twice.
        self._sdk = anthropic.AsyncAnthropic(
            api_key=api_key,
            base_url=base_url or _OFFICIAL_URL,
            max_retries=0,
            default_headers=headers,
            http_client=http_client(proxy, max_answer_bytes),
            open_telemetry=False,
        )
        # Asked for here, because the SDK imports them when they are first asked for.
        self._messages = self._sdk.messages

    @property
    def _is_closed(self) -> bool:
        return self._sdk.is_closed()

    async def aclose(self) -> None:
        """See `ProviderClient`."""
        await self._sdk.close()

    async def _complete(self, request: ModelRequest) -> Reply:
        arguments = self._arguments(request)
        with self._translated():
            message = await self._messages.create(**arguments)
            return self._reply(message)

    async def _stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Reply, None]:
        arguments = self._arguments(request)
        whole = Accumulated()
        with self._translated():
            events: Any = await self._messages.create(**arguments, stream=True)
            async with events:
                async for event in events:
                    for delta in whole.add(event):
                        yield delta
            reply = self._reply(whole.message())
        yield reply

    def _arguments(self, request: ModelRequest) -> dict[str, Any]:
        """What the SDK is given for one attempt."""
        import httpx2

        timeout_s = request.settings.timeout_s
        # Of each read; the attempt as a whole is bounded by the caller.
        timeout = httpx2.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S))
        asked = anthropic_wire.request(self.model, request, self._name)
        return {**asked, "timeout": timeout}

    def _reply(self, message: Any) -> Reply:
        reply = anthropic_wire.from_wire(message, self.model, self._name)
        provider = self._priced_as if self._priced_as == _NAME else None
        written = anthropic_wire.cache_written(message)
        return priced(reply, provider, self._base_url, cache_write_tokens=written)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import anthropic
        import httpx2

        try:
            yield
        # httpx2: a stream that breaks leaves the SDK as the transport's own error. ValueError: a
        # body or event that is not JSON, as a bare decoding error.
        except (anthropic.AnthropicError, httpx2.HTTPError, ValueError) as error:
            raise translate(error, self._name, self._base_url, self._secret) from None
        # It is JSON, and of another shape than the SDK's types promise.
        except (AttributeError, LookupError, TypeError, RecursionError) as error:
            raise translate(error, self._name, self._base_url, self._secret) from error
