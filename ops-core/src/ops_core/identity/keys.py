"""API keys: what one is, how its text is made and read."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NoReturn

from ops_core.errors import FieldError, InvalidRequest
from ops_core.scopes import Scope

#: What a key begins with, so that people and scanners of leaked secrets know one when they see it.
PREFIX: Final = "osk_"

_ID: Final = re.compile(r"key_[0-9a-f]{16}")

#: `osk_`, the id without its prefix, and 256 random bits in base64url.
_TEXT: Final = re.compile(r"osk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


def refuse_expired(detail: str) -> NoReturn:
    """A key whose time is over would be refused at its first use. Raises `InvalidRequest`."""
    raise InvalidRequest([FieldError("expires_at", detail)])


#: Why, of a key that is to be made, and of one that is to have a new secret.
PAST: Final = "is over already; choose a time to come, or leave it out"
EXPIRED: Final = "of this key is over: no secret of it would open anything; create another one"


@dataclass(frozen=True, slots=True)
class Rate:
    """How often a caller may ask: `burst` at once, and `per_minute` in the long run."""

    per_minute: int
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as its tenant sees it: everything but the secret."""

    tenant_id: str
    key_id: str
    name: str
    scopes: frozenset[Scope]
    rate: Rate | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    """Some seconds old: uses are written together."""

    previous_until: datetime | None
    """Until when the secret before the last rotation is good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey:
    """A key to be stored."""

    tenant_id: str
    key_id: str
    name: str
    scopes: frozenset[Scope]
    secret_hash: bytes
    created_by: str
    rate: Rate | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What authentication needs to know of a key."""

    tenant_id: str
    key_id: str
    scopes: frozenset[Scope]
    rate: Rate | None
    hashes: tuple[bytes, ...] = field(repr=False)
    """Of the secrets that are good now."""

    refusal: str | None
    """Why the key opens nothing, if it does not: revoked, expired, or of a disabled tenant."""

    def fits(self, secret: str) -> bool:
        """Whether the secret is one of this key's; how long it takes tells nothing of how wrong one is."""
        found = digest(secret)
        return any(hmac.compare_digest(found, known) for known in self.hashes)


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key as its user sends it."""

    key_id: str
    secret: str = field(repr=False)

    def __str__(self) -> str:
        return f"{PREFIX}{self.key_id.removeprefix('key_')}_{self.secret}"


def new_key_text(key_id: str | None = None) -> KeyText:
    """A new secret, for a new key or for one that is rotated."""
    return KeyText(key_id or f"key_{secrets.token_hex(8)}", secrets.token_urlsafe(32))


def read_key_text(text: str) -> KeyText | None:
    """None when it does not look like a key."""
    found = _TEXT.fullmatch(text)
    return KeyText(f"key_{found[1]}", found[2]) if found else None


def is_key_id(text: str) -> bool:
    """Whether a key could have this id."""
    return _ID.fullmatch(text) is not None


def digest(secret: str) -> bytes:
    """What is kept of a secret. It has 256 random bits: nobody finds it by trying, however fast this is."""
    return hashlib.sha256(secret.encode()).digest()
