"""The addresses of a client, looked at when it is made: else its first call would tell, in other words."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from agentkit.errors import UsageError

_OF_SERVERS = ("http", "https")
_OF_PROXIES = ("http", "https", "socks5", "socks5h")


def checked_base_url(url: str) -> None:
    """Raises UsageError for what cannot be the address of a server."""
    if not _is_address(url, _OF_SERVERS):
        raise UsageError(
            "base_url is not the address of a server: give one like https://host/v1 or "
            "http://127.0.0.1:8080/v1."
        )


def checked_proxy(url: str | None) -> None:
    """Raises UsageError for what cannot be one of a proxy; it is not repeated: it may hold a password."""
    if url is not None and not _is_address(url, _OF_PROXIES):
        raise UsageError(
            "proxy is not the address of a proxy: give one like http://user:password@host:3128 or "
            "socks5://host:1080, and write signs such as @ : / in a password as %40 %3A %2F."
        )


def _is_address(url: str, schemes: Sequence[str]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # half of an IPv6 address, a port that is no number
        return False
