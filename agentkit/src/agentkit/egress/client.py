"""The client that every request to a place named by a model goes through."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from agentkit.egress.addresses import Resolve, parsed, resolve
from agentkit.egress.policy import EgressFailed, EgressPolicy, EgressRefused
from agentkit.errors import UsageError

if TYPE_CHECKING:
    import ssl

    from httpx2 import URL, AsyncClient, Headers, Response

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back; `cut` says that there was more than the policy's `max_bytes`."""

    url: str
    status: int
    media_type: str
    charset: str | None
    body: bytes
    cut: bool
    retry_after: str | None = None
    """When to come again, in the words of the one who said it."""


class EgressClient:
    """Makes requests within a policy. Each is resolved once, checked, and sent to that address.

    The name is not asked for again between the check and the connection, so it cannot come to mean
    another machine meanwhile. Redirects are followed for GET, each checked like the first request,
    and without the caller's headers once they lead to another origin (scheme, host and port). No
    proxy, no cookies, no credentials of ours; one connection for each request. `tls` brings
    certificate authorities of your own. Needs `agentkit[web]`.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        resolve: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        # Imported here: only who goes out needs it.
        try:
            import httpx2
        except ImportError as error:
            raise UsageError("EgressClient needs httpx2: pip install 'agentkit[web]'.") from error
        self.policy = policy
        self._http = httpx2
        self._resolve = resolve
        self._tls = tls

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> Fetched:
        """GET, following redirects. Raises EgressRefused, EgressFailed."""
        return await self._within_time("GET", url, headers or {}, None)

    async def post(
        self, url: str, content: bytes, *, headers: Mapping[str, str] | None = None
    ) -> Fetched:
        """POST; a redirect is what came back. Raises EgressRefused, EgressFailed."""
        return await self._within_time("POST", url, headers or {}, content)

    async def _within_time(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> Fetched:
        try:
            async with asyncio.timeout(self.policy.timeout_s):
                return await self._followed(method, self._url(url), headers, content)
        except TimeoutError:
            raise EgressFailed(f"nothing came within {self.policy.timeout_s:g} s") from None
        except self._http.HTTPError as error:
            raise EgressFailed(f"{type(error).__name__}: {error}") from error

    def _url(self, url: str, base: str = "") -> URL:
        try:
            parts = self._http.URL(urljoin(base, url))
        except (self._http.InvalidURL, ValueError) as error:
            raise EgressRefused(f"it is no URL: {error}") from None
        if not parts.raw_host:
            raise EgressRefused("it is no absolute URL")
        if parts.userinfo:
            raise EgressRefused("a URL with a user or a password is not allowed")
        return parts

    async def _followed(
        self, method: str, url: URL, headers: Mapping[str, str], content: bytes | None
    ) -> Fetched:
        for _ in range(self.policy.max_redirects + 1):
            came = await self._sent(method, url, headers, content)
            if isinstance(came, Fetched):
                return came
            headers = headers if _origin(came) == _origin(url) else {}
            url = came
        raise EgressFailed(f"it was redirected more than {self.policy.max_redirects} times")

    async def _sent(
        self, method: str, url: URL, headers: Mapping[str, str], content: bytes | None
    ) -> Fetched | URL:
        """One request, to the first checked address that takes it: what came back, or whereto next."""
        *others, last = await self._addresses(url)
        for address in others:
            try:
                return await self._sent_to(address, method, url, headers, content)
            except self._http.ConnectError:
                continue
        return await self._sent_to(last, method, url, headers, content)

    async def _sent_to(
        self,
        address: str,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        content: bytes | None,
    ) -> Fetched | URL:
        async with self._connection() as connection:
            request = connection.build_request(
                method,
                url.copy_with(host=address),
                headers=self._headers(url, headers),
                content=content,
                extensions={"sni_hostname": _host(url)},
            )
            response = await connection.send(request, stream=True)
            try:
                location = response.headers.get("location")
                if method == "GET" and response.status_code in _REDIRECTS and location:
                    return self._url(location, base=str(url))
                return await self._fetched(url, response)
            finally:
                await response.aclose()

    def _headers(self, url: URL, headers: Mapping[str, str]) -> Headers:
        """The caller's, but for those that are ours to say, in whatever case theirs are written."""
        sent = self._http.Headers(dict(headers))
        sent["Host"] = url.netloc.decode()
        # Not compressed: a small answer could else become a huge one.
        sent["Accept-Encoding"] = "identity"
        return sent

    async def _addresses(self, url: URL) -> list[str]:
        """The addresses to connect to, once all of them have been found harmless."""
        host = _host(url)
        port = _port(url)
        self.policy.check_place(url.scheme, host, port)
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError):
            addresses = []
        if not addresses:
            raise EgressFailed(f"there is no host {host}")
        for address in addresses:
            self.policy.check_address(host, parsed(address))
        return addresses

    def _connection(self) -> AsyncClient:
        if self._tls is None:
            self._tls = self._http.create_ssl_context(trust_env=False)
        return self._http.AsyncClient(
            verify=self._tls,
            trust_env=False,  # a proxy would resolve the name again
            follow_redirects=False,
            timeout=self.policy.timeout_s,
        )

    async def _fetched(self, url: URL, response: Response) -> Fetched:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise EgressFailed("it came compressed, which was not asked for")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self.policy.max_bytes:
                break
        kept = bytes(body[: self.policy.max_bytes])
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        charset = response.charset_encoding
        cut = len(body) > self.policy.max_bytes
        rest = response.headers.get("retry-after")
        return Fetched(str(url), response.status_code, media_type, charset, kept, cut, rest)


def _host(url: URL) -> str:
    """The name in lower-case ASCII; a dot at its end would make another name of it."""
    return url.raw_host.decode().rstrip(".")


def _port(url: URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _origin(url: URL) -> tuple[str, str, int]:
    """Whom headers were meant for: another port may be another program, http anybody on the way."""
    return url.scheme, _host(url), _port(url)
