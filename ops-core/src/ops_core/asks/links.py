"""Signed links: whoever holds one may decide one approval, once, without being anybody else here.

A link is `<claims>.<signature>`, both base64url: the claims are JSON, the signature is HMAC-SHA256 over them.
Nothing is stored. That it can be used once is the approval's own rule; that it fits only what it was made for
is in the claims: the approval, the hash of what is approved, what may be decided, and until when.
"""

import base64
import binascii
import hmac
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ops_core.answers import Decision
from ops_core.ask import Ask, AskStatus
from ops_core.asks.approvals import ApprovalService
from ops_core.asks.once import Resolved
from ops_core.errors import AlreadyResolved, AskNotFound, LinkRefused, LinksNotConfigured
from ops_core.identity.gate import Attempt, Gate, OpenGate
from ops_core.principal import Principal
from ops_core.replies import ApprovalReply, LinkRequest

#: What the key is derived for: the same secret may sign other things, which must not be taken for a link.
_PURPOSE: Final = b"opspawn approval link 1"

#: No link that we make is longer: whose it is may take 300 signs of four bytes. Characters.
MAX_TOKEN: Final = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link as it is given out. `url` is None where nobody knows how people reach this server."""

    token: str
    path: str
    url: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a link is good for."""

    tenant_id: str
    approval_id: str
    hash: str
    decisions: tuple[Decision, ...]
    expires_s: int
    """Seconds since 1970."""

    by: str
    """Who had the link made."""


class ApprovalLinks:
    """Makes links and lets them be used. Without a secret it refuses both.

    `gate`: knows which tenants are disabled, and writes down what is decided; without it there are none.
    `clock`: seconds since 1970. This process's own: a link is over some seconds earlier or later, no more.
    """

    def __init__(
        self,
        approvals: ApprovalService,
        secret: str | None,
        *,
        gate: Gate | None = None,
        public_url: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._approvals = approvals
        self._gate = gate or OpenGate()
        self._key = hmac.digest(secret.encode(), _PURPOSE, "sha256") if secret else None
        self._public_url = public_url.rstrip("/") if public_url else None
        self._clock = clock

    async def make(
        self, approval_id: str, request: LinkRequest, *, tenant_id: str, by: str
    ) -> Link:
        """A link that decides an approval. Raises `LinksNotConfigured`, `AskNotFound`, `AlreadyResolved`."""
        if self._key is None:
            raise LinksNotConfigured
        ask = await self._approvals.get(approval_id, tenant_id=tenant_id)
        if ask.status is not AskStatus.PENDING:
            raise AlreadyResolved(ask.ask_id, ask.status)
        expires_s = self._clock() + request.expires_in_s
        if ask.expires_at is not None:
            expires_s = min(expires_s, ask.expires_at.timestamp())
        claims = Claims(
            tenant_id=tenant_id,
            approval_id=ask.ask_id,
            hash=ask.hash,
            decisions=tuple(dict.fromkeys(request.decisions)),
            expires_s=int(expires_s),
            by=by,
        )
        token = _written(claims, self._key)
        path = f"/l/{token}"
        return Link(
            token=token,
            path=path,
            url=None if self._public_url is None else self._public_url + path,
            expires_at=datetime.fromtimestamp(claims.expires_s, UTC),
        )

    async def look(self, token: str) -> tuple[Ask, Sequence[Decision]]:
        """What a link decides, and what it may say. Raises `LinkRefused`."""
        claims = await self._claims(token)
        try:
            ask = await self._approvals.get(claims.approval_id, tenant_id=claims.tenant_id)
        except AskNotFound:
            raise LinkRefused("gone", "Its task is no longer kept.") from None
        if ask.hash != claims.hash:
            raise LinkRefused("invalid", "It was made for another call.")
        if ask.status is not AskStatus.PENDING:
            raise LinkRefused("used", f"The approval is {ask.status} already.")
        return ask, claims.decisions

    async def use(self, token: str, reply: ApprovalReply, *, request_id: str) -> Resolved:
        """Decides; the audit log is told before. Raises `LinkRefused`, `StoreUnavailable`."""
        ask, decisions = await self.look(token)
        if reply.decision not in decisions:
            raise LinkRefused("invalid", f"It cannot {reply.decision}.")
        claims = await self._claims(token)
        who = Principal(tenant_id=claims.tenant_id, subject=f"link of {claims.by}")
        attempt = Attempt(operation="use_link", authorization=None, request_id=request_id)
        await self._gate.record(attempt, who, ask.ask_id)
        try:
            return await self._approvals.resolve(
                ask.ask_id, reply, tenant_id=who.tenant_id, by=who.subject
            )
        except AlreadyResolved as error:
            raise LinkRefused("used", f"The approval is {error.status} already.") from None

    async def _claims(self, token: str) -> Claims:
        if self._key is None:
            raise LinkRefused("invalid", "This server makes no links.")
        claims = _read(token, self._key)
        if claims is None:
            raise LinkRefused(
                "invalid", "It is not one that this server has made, or is cut short."
            )
        if self._clock() >= claims.expires_s:
            raise LinkRefused("expired", "Its time is over.")
        if not await self._gate.is_open(claims.tenant_id):
            raise LinkRefused("gone", "The tenant that it was made in is disabled.")
        return claims


def _written(claims: Claims, key: bytes) -> str:
    said = [
        claims.tenant_id,
        claims.approval_id,
        claims.hash,
        claims.decisions,
        claims.expires_s,
        claims.by,
    ]
    body = _encoded(json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode())
    return f"{body}.{_signature(body, key)}"


def _read(token: str, key: bytes) -> Claims | None:
    """None for what was not signed with the key."""
    body, dot, signature = token.partition(".")
    if not dot or len(token) > MAX_TOKEN or not token.isascii():
        return None
    if not hmac.compare_digest(signature, _signature(body, key)):
        return None
    try:
        said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, binascii.Error):
        return None
    tenant_id, approval_id, digest, decisions, expires_s, by = said
    return Claims(
        tenant_id=tenant_id,
        approval_id=approval_id,
        hash=digest,
        decisions=tuple(decisions),
        expires_s=expires_s,
        by=by,
    )


def _signature(body: str, key: bytes) -> str:
    return _encoded(hmac.digest(key, body.encode(), "sha256"))


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
