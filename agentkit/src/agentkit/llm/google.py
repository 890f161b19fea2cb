"""Gemini, through the Gemini Developer API and its SDK's own async client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from agentkit.errors import UsageError
from agentkit.llm import google_request, google_wire
from agentkit.llm.addresses import checked_base_url
from agentkit.llm.connections import MAX_ANSWER_BYTES
from agentkit.llm.failures import without_password
from agentkit.llm.google_errors import translate
from agentkit.llm.google_http import noting_client, streaming
from agentkit.llm.google_stream import Accumulated
from agentkit.llm.keys import checked_key
from agentkit.llm.port import ModelRequest
from agentkit.llm.pricing import priced
from agentkit.llm.provider import ProviderClient
from agentkit.llm.retry import RetryPolicy
from agentkit.messages import Delta, Reply

_OFFICIAL_URL = "https://generativelanguage.googleapis.com"

_API_VERSION = "v1beta"
"""The SDK's default, v1, knows less; proxies and gateways often serve only this one."""

_NAME = "google"


class GoogleClient(ProviderClient):
    """A Gemini model by its name and key; `base_url` is the root of another server, without v1beta.

    `name` is what errors call the provider, and what the model's reasoning is kept under; only one
    that is given says whose prices hold at `base_url`. `headers` go with every request, `proxy` is
    the address of an HTTP proxy. Connections are reused between calls and closed by `aclose`. Of an
    answer at most `max_answer_bytes` are read.
    Raises UsageError when the `google` extra is not installed or the key cannot be one.
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
        # Imported here: the SDK takes a second to import, and belongs to those who use it.
        try:
            from google import genai
            from google.genai.types import HttpOptions
        except ImportError:
            raise UsageError(
                "The Google client needs its SDK: pip install 'agentkit[google]'."
            ) from None
        checked_key(name or _NAME, api_key)
        super().__init__(model, name or _NAME, retry)
        self._priced_as = name
        self._secret = api_key
        checked_base_url(base_url or _OFFICIAL_URL)
        self._base_url = without_password(base_url or _OFFICIAL_URL)
        # Given, because the SDK would take aiohttp wherever it happens to be installed, and with
        # it other timeouts, other exceptions and retries of its own.
        self._http = noting_client(proxy, max_answer_bytes)
        # base_url and vertexai are always given: without them the SDK would read the environment.
        self._sdk = genai.Client(
            api_key=api_key,
            vertexai=False,
            http_options=HttpOptions(
                base_url=base_url or _OFFICIAL_URL,
                api_version=_API_VERSION,
                headers=dict(headers or {}),
                httpx_async_client=self._http,
            ),
        )

    @property
    def _is_closed(self) -> bool:
        return self._http.is_closed

    async def aclose(self) -> None:
        """See `ProviderClient`."""
        await self._sdk.aio.aclose()
        self._sdk.close()
        # The SDK closes only what it made itself.
        await self._http.aclose()

    async def _complete(self, request: ModelRequest) -> Reply:
        arguments = google_request.request(self.model, request, self._name)
        with self._translated():
            response = await self._sdk.aio.models.generate_content(**arguments)
            return self._reply(response)

    async def _stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Reply, None]:
        arguments = google_request.request(self.model, request, self._name)
        whole = Accumulated()
        with self._translated():
            models = self._sdk.aio.models
            async with streaming(lambda: models.generate_content_stream(**arguments)) as chunks:
                async for chunk in chunks:
                    for delta in whole.add(chunk):
                        yield delta
            reply = self._reply(whole.response())
        yield reply

    def _reply(self, response: Any) -> Reply:
        reply = google_wire.from_wire(response, self.model, self._name)
        provider = self._priced_as if self._priced_as == _NAME else None
        return priced(reply, provider, self._base_url)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import httpx2
        from google.genai import errors

        try:
            yield
        # httpx2: a stream that breaks leaves the SDK as the transport's own error. ValueError: a
        # body or event that is not JSON, as a bare decoding error.
        except (errors.APIError, httpx2.HTTPError, ValueError) as error:
            raise translate(error, self._name, self._base_url, self._secret) from None
        # It is JSON, and of another shape than the SDK's types promise.
        except (AttributeError, LookupError, TypeError, RecursionError) as error:
            raise translate(error, self._name, self._base_url, self._secret) from error
