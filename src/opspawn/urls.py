"""The URLs of settings: what would only fail at the first connection is told at the start."""

from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

#: How a URL is told to be wrong: it is never repeated, for it may hold a password.
POSTGRESQL_SHAPE: Final = "must look like postgresql://user:password@host:5432/name"
AMQP_SHAPE: Final = "must look like amqp://user:password@host:5672/vhost"
_WRITE_SIGNS: Final = "; write signs such as @ : / # in a password as %40 %3A %2F %23"


def check_postgresql(url: SecretStr) -> None:
    """Raises `ValueError` for what would only fail at the first connection, and without naming its key."""
    # Imported here: the command line starts faster without it, and most of its commands use no database.
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parts = make_url(url.get_secret_value())
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        raise ValueError(POSTGRESQL_SHAPE + _WRITE_SIGNS) from None
    # An @ in the host is the rest of a password, which would be told wherever the host is.
    if "@" in (parts.host or "") or not _is_port(parts.port):
        raise ValueError(POSTGRESQL_SHAPE + _WRITE_SIGNS)


def check_amqp(url: SecretStr) -> None:
    """Raises `ValueError` as `check_postgresql` does."""
    # Imported here for the same reason; the client's own reading of the URL is the one that counts.
    import pika

    try:
        port = pika.URLParameters(url.get_secret_value()).port
    except (ValueError, TypeError):
        raise ValueError(AMQP_SHAPE + _WRITE_SIGNS) from None
    # The client takes what follows a # for a comment, and what precedes it for the host.
    if "#" in url.get_secret_value() or not _is_port(port):
        raise ValueError(AMQP_SHAPE + _WRITE_SIGNS)


def has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and _is_port(parts.port)
    except ValueError:  # a port that is no number, half of an IPv6 address
        return False


def _is_port(port: int | None) -> bool:
    return port is None or 0 < port <= 65535
