"""Any model behind OpenAI's chat completions: OpenAI, or a compatible server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agentkit.errors import UsageError
from agentkit.llm import openai_reply, openai_wire
from agentkit.llm.addresses import checked_base_url
from agentkit.llm.connections import CONNECT_TIMEOUT_S, MAX_ANSWER_BYTES, http_client
from agentkit.llm.failures import without_password
from agentkit.llm.keys import checked_key
from agentkit.llm.openai_errors import Server, of_body, translate
from agentkit.llm.openai_stream import Accumulated
from agentkit.llm.openai_wire import Dialect, JsonMode
from agentkit.llm.port import ModelRequest
from agentkit.llm.pricing import priced
from agentkit.llm.provider import ProviderClient
from agentkit.llm.retry import RetryPolicy
from agentkit.messages import Delta, Reply

if TYPE_CHECKING:
    import httpx2

_OFFICIAL_URL = "https://api.openai.com/v1"

_NAME = "openai"

_PRICED_PROVIDERS = frozenset({_NAME, "openrouter"})
"""Names whose prices are looked up by name where it is given; others by the server's address."""


class OpenAiClient(ProviderClient):
    """A model by its name and key; `base_url` is the root of another server, ending in /v1.

    `name` is what errors call the provider; only one that is given says whose prices hold at
    `base_url`. `headers` go with every request, `proxy` is the address of one between here and the
    server, `http_client` is one of the caller's own in place of both our pool and `proxy`.
    Connections are reused between calls and closed by `aclose`, those of `http_client` too. Of an
    answer at most `max_answer_bytes` are read, but by `http_client`. Nothing is read from the
    environment but proxies. Raises UsageError when the `openai` extra is not installed, or the key or
    an address cannot be one.
    """

    def __init__(  # noqa: PLR0913  each is a part of the address, or has a default
        self,
        model: str,
        api_key: str,
        base_url: str | None = None,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        *,
        organization: str | None = None,
        project: str | None = None,
        headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        http_client: httpx2.AsyncClient | None = None,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        json_mode: JsonMode = "schema",
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        # Imported here: the SDK takes a second to import, and belongs to those who use it.
        try:
            from agentkit.llm.openai_sdk import Sdk
        except ImportError:
            raise UsageError(
                "The OpenAI client needs its SDK: pip install 'agentkit[openai]'."
            ) from None
        needed = "give one (any text for a server that needs none)"
        checked_key(name or _NAME, api_key, needed)
        super().__init__(model, name or _NAME, retry)
        self._priced_as = name
        url = base_url or _OFFICIAL_URL
        checked_base_url(url)
        self._server = Server(self._name, without_password(url), api_key)
        self._connect_timeout_s = connect_timeout_s
        self._dialect = Dialect(self._name, _max_tokens_name(url), json_mode)
        # base_url is always given: without it the SDK would read the environment.
        self._sdk = Sdk(
            api_key=api_key,
            base_url=url,
            default_headers=headers,
            http_client=_own_or_pooled(http_client, proxy, max_answer_bytes),
            max_retries=0,
        )
        # Set here, because the SDK takes None to mean: what the environment says.
        self._sdk.organization, self._sdk.project = organization, project

    @property
    def _is_closed(self) -> bool:
        return self._sdk.is_closed()

    async def aclose(self) -> None:
        """See `ProviderClient`."""
        await self._sdk.close()

    async def _complete(self, request: ModelRequest) -> Reply:
        with self._translated():
            body, timeout_s = self._body(request), request.settings.timeout_s
            return self._reply(await self._sdk.completion(body, timeout_s, self._connect_timeout_s))

    async def _stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Reply, None]:
        whole, timeout_s = Accumulated(), request.settings.timeout_s
        told = {"stream": True, "stream_options": {"include_usage": True}}
        with self._translated():
            body = {**self._body(request), **told}
            chunks = await self._sdk.chunks(body, timeout_s, self._connect_timeout_s)
            async with chunks:
                async for chunk in chunks:
                    for delta in whole.add(chunk):
                        yield delta
            reply = self._reply(whole.completion())
        yield reply

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        return openai_wire.request(self.model, request, self._dialect)

    def _reply(self, completion: object) -> Reply:
        reported = openai_reply.error_in(completion)
        if reported is not None:
            raise of_body(reported, self._server)
        reply = openai_reply.from_wire(completion, self.model, self._name)
        return self._priced(reply, completion)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import httpx2
        import openai

        try:
            yield
        # ValueError: a body or chunk that is not JSON leaves the SDK as a bare decoding error, and a
        # stream that was cut leaves its first versions as httpx2's.
        except (openai.OpenAIError, httpx2.TransportError, ValueError) as error:
            raise translate(error, self._server) from None
        # It is JSON, and of another shape than the SDK's types promise.
        except (AttributeError, LookupError, TypeError, RecursionError) as error:
            raise translate(error, self._server) from error

    def _priced(self, reply: Reply, completion: object) -> Reply:
        provider = self._priced_as if self._priced_as in _PRICED_PROVIDERS else None
        return priced(reply, provider, self._server.base_url)


def _own_or_pooled(
    client: httpx2.AsyncClient | None, proxy: str | None, max_answer_bytes: int
) -> httpx2.AsyncClient:
    return http_client(proxy, max_answer_bytes) if client is None else client


def _max_tokens_name(url: str) -> str:
    """OpenAI's newer models refuse `max_tokens`; most other servers know nothing else."""
    official = urlsplit(url).hostname == urlsplit(_OFFICIAL_URL).hostname
    return "max_completion_tokens" if official else "max_tokens"
