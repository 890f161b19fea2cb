"""Says in one line why a database cannot be used, and what to do: never with its password."""

import socket
from typing import Final

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from ops_core.errors import StoreUnavailable

#: What connecting to PostgreSQL and asking it something may raise.
DATABASE_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, DBAPIError)

#: The first that fits is told.
_WORDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (
        asyncpg.InvalidAuthorizationSpecificationError,  # a wrong password too
        "PostgreSQL at {where} refuses the user or the password; correct DATABASE_URL.",
    ),
    (
        asyncpg.InvalidCatalogNameError,
        "There is no database at {where}; create it (createdb {name}), or correct DATABASE_URL.",
    ),
    (
        asyncpg.CannotConnectNowError,
        "PostgreSQL at {where} is starting or stopping; try again in a moment.",
    ),
    (socket.gaierror, "The host of {where} is not known; correct DATABASE_URL."),
    (
        ConnectionRefusedError,
        "Nobody listens at {where}; start PostgreSQL, or correct DATABASE_URL.",
    ),
    (FileNotFoundError, "Nobody listens at {where}; start PostgreSQL, or correct DATABASE_URL."),
    (TimeoutError, "PostgreSQL at {where} does not answer; is it frozen, or behind a firewall?"),
)


def explain(error: BaseException, url: str) -> str:
    """One line for an operator; `url` is only used to name the place."""
    cause = _cause(error)
    for kinds, words in _WORDS:
        if isinstance(cause, kinds):
            return words.format(where=place(url), name=make_url(url).database)
    said = " ".join(str(cause).split())[:300] or type(cause).__name__
    return f"The database at {place(url)} cannot be used: {said}"


def explained(error: BaseException, url: str) -> str:
    """As `opspawn migrate` says it, when the database itself said something; else what the store says."""
    if isinstance(error, StoreUnavailable) and error.__cause__ is None:
        return f"DATABASE_URL: {error}"
    return f"DATABASE_URL: {explain(error, url)}"


def place(url: str) -> str:
    """`host:port/name` of a database's URL."""
    parts = make_url(url)
    host = parts.host or parts.query.get("host") or "localhost"
    return f"{host}:{parts.port or 5432}/{parts.database or ''}"


def _cause(error: BaseException) -> BaseException:
    """What PostgreSQL or the system said, below the wrappings of SQLAlchemy."""
    seen = error
    while True:
        below = seen.orig if isinstance(seen, DBAPIError) else seen.__cause__
        if below is None:
            return seen
        seen = below
