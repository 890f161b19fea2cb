"""httpx2's client over aiohttp's connections, for a thousand calls at the same time.

The SDKs of all providers speak through httpx2. Its own connections cost three times what aiohttp's
cost, whose pool finds a connection without looking at the others and whose parser is written in C
(docs/adr/0021).

Imports httpx2 and aiohttp: only `connections` imports this, when a client is made.
"""

from __future__ import annotations

import asyncio
import ssl
import weakref
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import httpx2
from yarl import URL

KEEP_ALIVE_S = 30.0
"""An agent asks its model again after its tools have run, usually within this time."""

_LONGEST_HEADER = 65_536
"""Bytes. aiohttp's own 8 KiB are fewer than what some gateways send."""

_AS_HTTPX: tuple[tuple[type[Exception], type[httpx2.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx2.ConnectTimeout),
    (aiohttp.ServerTimeoutError, httpx2.ReadTimeout),
    (aiohttp.ClientProxyConnectionError, httpx2.ProxyError),
    (aiohttp.ClientHttpProxyError, httpx2.ProxyError),
    (aiohttp.ClientConnectorError, httpx2.ConnectError),
    (aiohttp.ServerDisconnectedError, httpx2.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpx2.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx2.RemoteProtocolError),
    (aiohttp.ClientConnectionError, httpx2.ReadError),
    (aiohttp.NonHttpUrlClientError, httpx2.UnsupportedProtocol),
    # What of a request could not be written down: a header with a line break in it.
    (ValueError, httpx2.LocalProtocolError),
    (aiohttp.ClientError, httpx2.NetworkError),
)
"""Which of httpx2's errors each of aiohttp's is; the first that fits."""


class HttpClient(httpx2.AsyncClient):
    """Has an `AiohttpTransport` wherever it would have its own; these two methods are where the
    SDKs' aiohttp clients come in too."""

    def _init_transport(self, *_: Any, **options: Any) -> httpx2.AsyncBaseTransport:
        return AiohttpTransport(options["verify"], trust_env=options["trust_env"])

    def _init_proxy_transport(
        self, proxy: httpx2.Proxy, *arguments: Any, **options: Any
    ) -> httpx2.AsyncBaseTransport:
        if proxy.url.scheme.startswith("socks"):  # which aiohttp does not speak
            return super()._init_proxy_transport(proxy, *arguments, **options)
        return AiohttpTransport(options["verify"], trust_env=options["trust_env"], proxy=proxy)


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
        proxy: httpx2.Proxy | None = None,
    ) -> None:
        # One for all connections: the certificates of a machine take 30 ms to read, and a megabyte.
        self._tls = httpx2.create_ssl_context(verify, trust_env=trust_env)
        self._tls.set_alpn_protocols(["http/1.1"])
        self._proxy = None if proxy is None else str(proxy.url)
        self._proxy_headers = {} if proxy is None else _for_proxy(proxy)
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See `httpx2.AsyncBaseTransport`."""
        headers = [(name.decode(), value.decode()) for name, value in request.headers.raw]
        if request.url.scheme == "http":  # then the request goes to the proxy itself
            headers += self._proxy_headers.items()
        try:
            response = await self._of_this_loop().request(
                request.method,
                _address(request.url),
                headers=headers,
                data=await request.aread() or None,
                timeout=_timeout(request.extensions.get("timeout", {})),
                allow_redirects=False,
                proxy=self._proxy,
                proxy_headers=self._proxy_headers,
            )
        except (aiohttp.ClientError, ValueError) as error:
            raise _of_httpx(error) from error
        return httpx2.Response(
            response.status, headers=list(response.raw_headers), stream=_Body(response)
        )

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _of_this_loop(self) -> aiohttp.ClientSession:
        """The session, made here: it belongs to one event loop, and a client to none."""
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            self._loop, self._session = loop, self._opened()
        return self._session

    def _opened(self) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=_Connector(limit=0, ssl=self._tls, keepalive_timeout=KEEP_ALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
        )
        weakref.finalize(self, session.detach)
        return session


class _Connector(aiohttp.TCPConnector):
    """Connections that a program forgot to close end as sockets do, like httpx2's own: without a
    page in the log for each client. So does a session, once it is detached."""

    def __del__(self, *_: Any) -> None:
        pass


class _Body(httpx2.AsyncByteStream):
    """The bytes of a response as they come."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._response.content.iter_any():
                yield part
        except aiohttp.ClientError as error:
            raise _of_httpx(error) from error

    async def aclose(self) -> None:
        # Of one that was read to the end, the connection has gone back already.
        self._response.close()


def _address(url: httpx2.URL) -> URL:
    """The address as it is written, but for a name and password: httpx2 has made a header of them."""
    address = URL(str(url), encoded=True)
    return address.with_user(None) if url.userinfo else address


def _timeout(asked: Mapping[str, float | None]) -> aiohttp.ClientTimeout:
    # `connect` has looking up the address in it, `sock_connect` has not.
    return aiohttp.ClientTimeout(connect=asked.get("connect"), sock_read=asked.get("read"))


def _for_proxy(proxy: httpx2.Proxy) -> dict[str, str]:
    """What only the proxy is told; behind a tunnel the server does not see it."""
    if proxy.auth is None:
        return dict(proxy.headers)
    return {**proxy.headers, "Proxy-Authorization": aiohttp.encode_basic_auth(*proxy.auth)}


def _of_httpx(error: Exception) -> httpx2.TransportError:
    kind = next(theirs for ours, theirs in _AS_HTTPX if isinstance(error, ours))
    return kind(str(error) or type(error).__name__)
