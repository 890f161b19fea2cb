"""OpenAI's SDK, asked for one completion after another.

By its way to any endpoint: `chat.completions.create` looks for what to rename in each message, and
makes objects of its types of what comes back, for a quarter of what a call costs.

Imports the SDK: only `OpenAiClient` imports this, when one is made.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import httpx2
from openai import AsyncOpenAI, AsyncStream, RequestOptions
from openai._models import FinalRequestOptions

from agentkit.llm.transport import HttpClient

_KINDS = 64
"""Of requests that are remembered: one for each time that a call may take."""

_written = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Sdk(AsyncOpenAI):
    """Asks the chat completions of one server."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Whole, because the SDK would put it together for each call.
        self._address = str(self.base_url.join("chat/completions"))
        self._known: dict[object, httpx2.Request] = {}

    async def completion(self, body: dict[str, Any], timeout_s: float, connect_s: float) -> Any:
        """The JSON of an answer. Raises what the SDK raises, and ValueError when it is none."""
        response = await self.post(
            self._address,
            cast_to=httpx2.Response,
            content=_written(body).encode(),
            options=_options(timeout_s, connect_s),
        )
        return json.loads(response.content)

    async def chunks(
        self, body: dict[str, Any], timeout_s: float, connect_s: float
    ) -> AsyncStream[object]:
        """The pieces of an answer, as JSON."""
        return await self.post(
            self._address,
            cast_to=object,
            content=_written(body).encode(),
            options=_options(timeout_s, connect_s),
            stream=True,
            stream_cls=AsyncStream[object],
        )

    def _build_request(
        self, options: FinalRequestOptions, *, retries_taken: int = 0
    ) -> httpx2.Request:
        """The SDK's own request, and then others like it: what comes before the body is the same in
        each, and takes a sixth of what a step costs. The method is not public; were it gone, each
        request would be made by the SDK."""
        content, timeout, http = options.content, options.timeout, self._client
        if (
            not isinstance(content, bytes)
            or not isinstance(timeout, httpx2.Timeout)
            or not isinstance(http, HttpClient)
            or options.url != self._address
        ):
            return super()._build_request(options, retries_taken=retries_taken)
        kind = (timeout.read, timeout.connect, retries_taken)
        like = self._known.get(kind)
        if like is None:
            like = super()._build_request(options, retries_taken=retries_taken)
            if options.idempotency_key in like.headers.values() or "Cookie" in like.headers:
                return like  # there is none like it, or not for long
            if len(self._known) >= _KINDS:
                self._known.clear()
            like = self._known[kind] = http.another(like, b"")
        return http.another(like, content)


@lru_cache(maxsize=_KINDS)
def _options(timeout_s: float, connect_s: float) -> RequestOptions:
    # Of each read; the attempt as a whole is bounded by the caller.
    timeout = httpx2.Timeout(timeout_s, connect=min(timeout_s, connect_s))
    # What is not said here, the SDK copies from its defaults, deeply, for each call.
    return {
        "timeout": timeout,
        "security": {"bearer_auth": True},
        "headers": {},
        "max_retries": 0,
        "params": {},
    }
