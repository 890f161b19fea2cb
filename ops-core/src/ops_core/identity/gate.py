"""The gate that every request of every door goes through: who asks, and whether he may."""

from dataclasses import dataclass
from typing import Protocol

from ops_core.identity.needs import AUDITED_BESIDES, NEEDS
from ops_core.principal import EVERYBODY, Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request, as far as a door knows it before it reads the body."""

    operation: str
    """As in `identity.needs`."""

    authorization: str | None
    """The header, or the metadata, of that name."""

    request_id: str


class Gate(Protocol):
    """Lets a request in, or says why not."""

    async def admit(self, attempt: Attempt) -> Principal:
        """Who asks. Raises `NotAuthenticated`, `MissingScope`, `RateLimited` or `StoreUnavailable`."""

    async def identify(self, attempt: Attempt) -> Principal:
        """Who asks, whatever for: before it is known, and again while a request goes on.

        Counts for no rate. Raises `NotAuthenticated`, `StoreUnavailable`.
        """

    async def is_open(self, tenant_id: str) -> bool:
        """Whether anybody of the tenant is let in: for what comes without a key, as a link does.

        Raises `StoreUnavailable`.
        """

    async def record(self, attempt: Attempt, principal: Principal, object: str) -> None:  # noqa: A002
        """Writes an audited operation down, before it is done. Raises `StoreUnavailable`."""


class OpenGate:
    """Lets everybody in as the tenant `default`, with every right: for one's own machine, and for tests."""

    async def admit(self, attempt: Attempt) -> Principal:
        return EVERYBODY

    async def identify(self, attempt: Attempt) -> Principal:
        return EVERYBODY

    async def is_open(self, tenant_id: str) -> bool:
        return True

    async def record(self, attempt: Attempt, principal: Principal, object: str) -> None:  # noqa: A002
        """Nobody is known here, so there is nothing to write down."""


def is_audited(operation: str) -> bool:
    need = NEEDS.get(operation)
    return operation in AUDITED_BESIDES or (need is not None and need.audited)
