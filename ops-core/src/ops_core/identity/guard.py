"""The gate of a server that asks who comes: credentials, scope, rate, and the audit log."""

from typing import Final

import structlog

from ops_core.errors import CallerError, MissingScope, NotAuthenticated, RateLimited, Unavailable
from ops_core.identity.audit import AuditEntry, change_of
from ops_core.identity.authenticator import Authenticator, Identity
from ops_core.identity.gate import Attempt, is_audited
from ops_core.identity.keys import Rate
from ops_core.identity.needs import WITHOUT_STORE, check_needs
from ops_core.identity.ports import AuditStore
from ops_core.identity.rates import RateLimits
from ops_core.identity.tenants import OPERATOR
from ops_core.principal import Principal

log = structlog.get_logger(__name__)

#: Denied attempts that one process writes down: more say nothing new, and would let strangers fill a disk.
DENIED: Final = Rate(per_minute=60, burst=60)


class Guard:
    """A `Gate`. `rate` is for callers whose key has none of its own; None does not limit them."""

    def __init__(
        self,
        authenticator: Authenticator,
        audit: AuditStore,
        *,
        rate: Rate | None = None,
        limits: RateLimits | None = None,
    ) -> None:
        self._authenticator = authenticator
        self._audit = audit
        self._rate = rate
        self._limits = limits or RateLimits()
        self._lately: tuple[tuple[str, str | None], Identity] | None = None

    async def admit(self, attempt: Attempt) -> Principal:
        principal = None
        try:
            identity = await self._identity(attempt)
            principal = identity.principal
            rate = identity.rate or self._rate
            if rate is not None:
                self._limits.take(f"{principal.tenant_id} {principal.subject}", rate)
            check_needs(principal, attempt.operation)
        except (NotAuthenticated, MissingScope) as error:
            await self._deny(attempt, principal, error)
            raise
        return principal

    async def _identity(self, attempt: Attempt) -> Identity:
        """Who asks. What must be answered without the store too is, to whoever it was answered to before."""
        known = (attempt.operation, attempt.authorization)
        try:
            identity = await self._authenticator.identify(attempt.authorization)
        except NotAuthenticated:
            if self._lately is not None and self._lately[0] == known:
                self._lately = None
            raise
        except Unavailable:
            if self._lately is None or self._lately[0] != known:
                raise
            return self._lately[1]
        if attempt.operation in WITHOUT_STORE:
            self._lately = (known, identity)
        return identity

    async def identify(self, attempt: Attempt) -> Principal:
        try:
            return (await self._authenticator.identify(attempt.authorization)).principal
        except NotAuthenticated as error:
            await self._deny(attempt, None, error)
            raise

    async def is_open(self, tenant_id: str) -> bool:
        return await self._authenticator.is_open(tenant_id)

    async def record(self, attempt: Attempt, principal: Principal, object: str) -> None:  # noqa: A002
        if is_audited(attempt.operation):
            await self._audit.write(
                change_of(principal, attempt.operation, object, attempt.request_id)
            )

    async def _deny(
        self, attempt: Attempt, principal: Principal | None, error: CallerError
    ) -> None:
        """Strangers have no tenant: their attempts are the operator's to read. Best effort."""
        log.info("denied", action=attempt.operation, reason=error.type)
        if isinstance(error, NotAuthenticated) and not error.has_credentials:
            return  # a browser, a probe: nobody who tried anything
        entry = AuditEntry(
            tenant_id=principal.tenant_id if principal else OPERATOR,
            subject=principal.subject if principal else "unknown",
            action=attempt.operation,
            object="",
            request_id=attempt.request_id,
            outcome="denied",
            reason=error.type,
        )
        try:
            self._limits.take("denied attempts", DENIED)
            await self._audit.write(entry)
        except (RateLimited, Unavailable):
            log.warning("a denied attempt is not in the audit log", action=attempt.operation)
