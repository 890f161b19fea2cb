"""The URLs of settings: what would only fail at the first connection is told at the start."""

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

#: How a URL is told to be wrong: it is never repeated, for it may hold a password.
_POSTGRESQL_SHAPE: Final = "must look like postgresql://user:password@host:5432/name"
_AMQP_SHAPE: Final = "must look like amqp://user:password@host:5672/vhost"
_ORIGIN: Final = r"https?://(\[[\da-f:]+\]|[\w.-]+)(:\d{1,5})?"
_WRITE_SIGNS: Final = "; write signs such as @ : / # in a password as %40 %3A %2F %23"


def _for_driver(url: SecretStr) -> SecretStr:
    scheme, _, rest = url.get_secret_value().partition("://")
    if scheme not in {"postgresql", "postgres", "postgresql+asyncpg"} or not rest:
        raise ValueError(_POSTGRESQL_SHAPE)
    # The driver's own word for what libpq, and with it every cloud's URL, calls sslmode.
    rest = re.sub(r"(?<=[?&])sslmode=", "ssl=", rest)
    url = SecretStr(f"postgresql+asyncpg://{rest}")
    _check_postgresql(url)
    return url


def _check_postgresql(url: SecretStr) -> None:
    """Raises `ValueError` for what would only fail at the first connection, and without naming its key."""
    # Imported here: the command line starts faster without it, and most of its commands use no database.
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parts = make_url(url.get_secret_value())
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        raise ValueError(_POSTGRESQL_SHAPE + _WRITE_SIGNS) from None
    # An @ in the host is the rest of a password, which would be told wherever the host is.
    if "@" in (parts.host or "") or not _is_port(parts.port):
        raise ValueError(_POSTGRESQL_SHAPE + _WRITE_SIGNS)


def _check_amqp(url: SecretStr) -> SecretStr:
    """Raises `ValueError` as `_check_postgresql` does."""
    if not url.get_secret_value().startswith(("amqp://", "amqps://")):
        raise ValueError(_AMQP_SHAPE)
    # Imported here for the same reason; the client's own reading of the URL is the one that counts.
    import pika

    try:
        port = pika.URLParameters(url.get_secret_value()).port
    except (ValueError, TypeError):
        raise ValueError(_AMQP_SHAPE + _WRITE_SIGNS) from None
    # The client takes what follows a # for a comment, and what precedes it for the host.
    if "#" in url.get_secret_value() or not _is_port(port):
        raise ValueError(_AMQP_SHAPE + _WRITE_SIGNS)
    return url


def _check_provider(url: str) -> str:
    # Never repeated: a gateway's may have a key in it.
    if not _has_host(url):
        raise ValueError("must look like https://host or http://host:8000/v1")
    return url


def _check_server(url: str) -> str:
    if not re.fullmatch(rf"{_ORIGIN}/?", url):
        raise ValueError("must look like http://host:8000 or https://host")
    return url


def _check_public(url: str) -> str:
    if not re.fullmatch(rf"{_ORIGIN}(/[\w./-]*)?", url):
        raise ValueError("must look like https://opspawn.example.org")
    return url


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and _is_port(parts.port)
    except ValueError:  # a port that is no number, half of an IPv6 address
        return False


def _is_port(port: int | None) -> bool:
    return port is None or 0 < port <= 65535


#: As clouds and people write it; what it comes to is as our driver wants it.
PostgresqlUrl = Annotated[SecretStr, AfterValidator(_for_driver)]
AmqpUrl = Annotated[SecretStr, AfterValidator(_check_amqp)]
#: The API of a model's provider, or a gateway before it.
ProviderUrl = Annotated[str, AfterValidator(_check_provider)]
ServerUrl = Annotated[str, AfterValidator(_check_server)]
#: Where people find this server.
PublicUrl = Annotated[str, AfterValidator(_check_public)]
