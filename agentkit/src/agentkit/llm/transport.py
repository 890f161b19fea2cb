"""httpx2's client over aiohttp's connections, for a thousand calls at the same time.

The SDKs of all providers speak through httpx2. Its own connections cost three times what aiohttp's
cost, whose pool finds a connection without looking at the others and whose parser is written in C;
its client goes through everything that a request could want, most of it on the way of each
(docs/adr/0021).

Imports httpx2 and aiohttp: only `connections` imports this, when a client is made.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Any

import aiohttp
import httpx2
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from httpx2 import USE_CLIENT_DEFAULT
from yarl import URL

from agentkit.llm.exchange import FAILURES, Exchange, of_httpx, timeout_of

KEEP_ALIVE_S = 30.0
"""An agent asks its model again after its tools have run, usually within this time."""

_KINDS = 64
"""Of requests, whose addresses and headers are remembered: a model is asked in one or two ways."""

OPENED_AT_ONCE = 100
"""Connections. Were a thousand agents to begin with a thousand of them, no request would leave before
the last one was there, and all answers would come at the same moment; ever after."""

_UNUSUAL = ("cookies", "data", "extensions", "files", "json", "params")
"""What `build_request` takes and an SDK that asks a model does not give."""

_log = logging.getLogger("httpx2")


class HttpClient(httpx2.AsyncClient):
    """Has an `AiohttpTransport` wherever it would have its own; the two methods with an underscore
    are where the SDKs' aiohttp clients come in too.

    A request to a model goes a short way: its headers and its address are those of the one before
    it, and nothing has to be asked of hooks, redirects and authentication that are not there.
    """

    def __init__(self, *, max_answer_bytes: int, **options: Any) -> None:
        self._max_answer_bytes = max_answer_bytes  # before the transports, which take it
        super().__init__(**options)
        self._known: dict[object, httpx2.Request] = {}

    def build_request(self, method: str, url: httpx2.URL | str, **given: Any) -> httpx2.Request:
        """See `httpx2.AsyncClient`. Bytes with a list of headers, as the SDKs give them, are put
        behind what is known of such a request."""
        body, headers, timeout = given.get("content"), given.get("headers"), given.get("timeout")
        if (
            not isinstance(body, bytes)
            or not isinstance(headers, list)
            or not isinstance(timeout, httpx2.Timeout)
            or any(given.get(name) for name in _UNUSUAL)
            or self.params
            or "://" not in str(url)
        ):
            return super().build_request(method, url, **given)
        like = self._like(method, str(url), headers)
        return self.another(like, body, {"timeout": timeout.as_dict()})

    def another(
        self,
        like: httpx2.Request,
        body: bytes,
        extensions: dict[str, Any] | None = None,
    ) -> httpx2.Request:
        """A request that differs in its body, and perhaps in its extensions."""
        request = httpx2.Request(
            like.method,
            like.url,
            headers=like.headers,
            stream=httpx2.ByteStream(body),
            extensions=like.extensions if extensions is None else extensions,
        )
        request.headers.encoding = like.headers.encoding  # found by going through all of them
        request.headers["Content-Length"] = str(len(body))
        request.read()
        if self.cookies:
            self.cookies.set_cookie_header(request)
        return request

    def _like(self, method: str, url: str, headers: list[tuple[str, str]]) -> httpx2.Request:
        """A request of that kind, as httpx2 makes it."""
        kind = (method, url, *headers, *self.headers.raw)
        like = self._known.get(kind)
        if like is None:
            merged = httpx2.Headers(self.headers)
            merged.update(headers)
            like = httpx2.Request(method, url, headers=merged, content=b"-")
            if len(self._known) >= _KINDS:
                self._known.clear()
            self._known[kind] = like
        return like

    async def send(
        self,
        request: httpx2.Request,
        *,
        stream: bool = False,
        auth: Any = USE_CLIENT_DEFAULT,
        follow_redirects: Any = USE_CLIENT_DEFAULT,
    ) -> httpx2.Response:
        """See `httpx2.AsyncClient`."""
        transport = self._transport_for_url(request.url)
        if (
            not isinstance(transport, AiohttpTransport)
            or auth is not USE_CLIENT_DEFAULT
            or self.auth is not None
            or request.url.userinfo
            or follow_redirects is True
            or self.follow_redirects
            or any(self.event_hooks.values())
            or self.is_closed
            or "timeout" not in request.extensions
        ):
            return await super().send(
                request, stream=stream, auth=auth, follow_redirects=follow_redirects
            )
        response = await transport.exchange(request, whole=not stream)
        if "Set-Cookie" in response.headers:
            self.cookies.extract_cookies(response)
        _log.info(
            'HTTP Request: %s %s "HTTP/1.1 %d"', request.method, request.url, response.status_code
        )
        return response

    def _init_transport(self, *_: Any, **options: Any) -> httpx2.AsyncBaseTransport:
        return AiohttpTransport(
            options["verify"],
            trust_env=options["trust_env"],
            max_answer_bytes=self._max_answer_bytes,
        )

    def _init_proxy_transport(
        self, proxy: httpx2.Proxy, *arguments: Any, **options: Any
    ) -> httpx2.AsyncBaseTransport:
        if proxy.url.scheme.startswith("socks"):  # which aiohttp does not speak
            return super()._init_proxy_transport(proxy, *arguments, **options)
        return AiohttpTransport(
            options["verify"],
            trust_env=options["trust_env"],
            max_answer_bytes=self._max_answer_bytes,
            proxy=proxy,
        )


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Sends what httpx2 asks for over as many connections as there are calls.

    A connection is used again when its response was read to the end, and closed when it was left.
    Nothing is sent twice, no redirect is followed, no cookie is kept.
    """

    def __init__(
        self,
        verify: ssl.SSLContext | str | bool,
        *,
        trust_env: bool,
        max_answer_bytes: int,
        proxy: httpx2.Proxy | None = None,
    ) -> None:
        self._max_answer_bytes = max_answer_bytes
        # One for all connections: the certificates of a machine take 30 ms to read, and a megabyte.
        self._tls = httpx2.create_ssl_context(verify, trust_env=trust_env)
        self._tls.set_alpn_protocols(["http/1.1"])
        self._proxy = None if proxy is None else URL(str(proxy.url))
        self._proxy_headers = {} if proxy is None else _for_proxy(proxy)
        self._places: dict[tuple[str, bytes], aiohttp.ClientRequest] = {}
        self._connector: _Connector | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See `httpx2.AsyncBaseTransport`."""
        return await self.exchange(request, whole=False)

    async def exchange(self, request: httpx2.Request, *, whole: bool) -> httpx2.Response:
        """The response; where it is wanted `whole`, with its body read."""
        connect_s = request.extensions.get("timeout", {}).get("connect")
        try:
            connector = self._of_this_loop()
            place = self._place(request.url)
            connection = await connector.connect(place, [], timeout_of(connect_s))
        except FAILURES as error:
            raise of_httpx(error, request) from error
        return await self._over(connection, request.url).answered(request, whole=whole)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._connector is not None:
            await self._connector.close()

    def _over(self, connection: Connection, url: httpx2.URL) -> Exchange:
        if self._proxy is None or url.scheme == "https":
            return Exchange(connection, url.raw_path, self._max_answer_bytes)
        # The request goes to the proxy itself, and not through it.
        target = b"%b://%b%b" % (url.raw_scheme, url.netloc, url.raw_path)
        told = ((name.encode(), value.encode()) for name, value in self._proxy_headers.items())
        return Exchange(connection, target, self._max_answer_bytes, tuple(told))

    def _place(self, url: httpx2.URL) -> aiohttp.ClientRequest:
        """Where to, in the form that aiohttp's pool looks for: a request that is never sent."""
        if url.scheme not in ("http", "https"):
            raise httpx2.UnsupportedProtocol(f"{url} is no address of HTTP: give one.")
        known = self._places.get((url.scheme, url.netloc))
        if known is not None:
            return known
        place = aiohttp.ClientRequest(
            "GET",
            URL(str(url.copy_with(userinfo=b"")), encoded=True),
            loop=asyncio.get_running_loop(),
            proxy=self._proxy,
            proxy_headers=self._proxy_headers or None,
        )
        # One for each call through a proxy: aiohttp writes into it.
        if self._proxy is None and len(self._places) < _KINDS:
            self._places[url.scheme, url.netloc] = place
        return place

    def _of_this_loop(self) -> aiohttp.TCPConnector:
        """The connections, made here: they belong to one event loop, and a client to none."""
        loop = asyncio.get_running_loop()
        if self._connector is None or self._loop is not loop:
            self._loop, self._places = loop, {}
            self._connector = _Connector(
                limit=0, ssl=self._tls, keepalive_timeout=KEEP_ALIVE_S, loop=loop
            )
        return self._connector


class _Connector(aiohttp.TCPConnector):
    """Opens so many connections at a time; to wait for one's turn is part of the time to connect.

    One on which a server spoke unasked, as load balancers do before they close it, is not used again:
    what it said would be taken for the answer to what is asked next.

    Connections that a program forgot to close end as sockets do, like httpx2's own: without a page in
    the log for each client.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._turns = asyncio.Semaphore(OPENED_AT_ONCE)

    async def _get(self, *arguments: Any) -> Connection | None:
        while (idle := await super()._get(*arguments)) is not None:
            if idle.protocol is not None and not idle.protocol.should_close:
                return idle
            idle.close()
        return None

    async def _create_connection(self, *arguments: Any) -> ResponseHandler:
        async with self._turns:
            return await super()._create_connection(*arguments)

    def __del__(self, *_: Any) -> None:
        pass


def _for_proxy(proxy: httpx2.Proxy) -> dict[str, str]:
    """What only the proxy is told; behind a tunnel the server does not see it."""
    if proxy.auth is None:
        return dict(proxy.headers)
    return {**proxy.headers, "Proxy-Authorization": aiohttp.encode_basic_auth(*proxy.auth)}
