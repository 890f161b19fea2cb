"""Bearer tokens of an OpenID Connect provider: who it is, by the provider's signature."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt
import structlog

from ops_core.errors import NotAuthenticated, Unavailable
from ops_core.identity.audit import shown
from ops_core.identity.authenticator import Identity
from ops_core.principal import Principal
from ops_core.scopes import Scope

log = structlog.get_logger(__name__)

#: Only signatures that whoever can check them cannot make: with HS256 a public key, which everybody has,
#: would do as the secret; `none` is no signature.
ALGORITHMS: Final = frozenset(
    {
        *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
        *("ES256", "ES384", "ES512", "EdDSA"),
    }
)

#: How long fetched keys are used before they are fetched again: a key that the provider withdrew is good for
#: so long. Seconds.
KEYS_LIFE_S: Final = 600.0

#: The least time between two fetches: tokens with made-up key ids must not make us hammer the provider.
#: Seconds.
FETCH_REST_S: Final = 30.0

#: No honest token is longer. Characters.
MAX_TOKEN_LENGTH: Final = 8192

#: What is wrong with a token, as whoever sent it is told.
_WORDS: Final[Mapping[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidAudienceError: "it is for another audience",
    jwt.InvalidIssuerError: "it is from another issuer",
    jwt.InvalidAlgorithmError: "its algorithm is not allowed here",
}
_OTHERWISE: Final = "it is malformed, or its signature is not the issuer's"

FetchKeys = Callable[[], Awaitable[Mapping[str, Any]]]
"""Brings the provider's JWKS: `{"keys": […]}`. Raises `Unavailable`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """What a token must say, and where it says who it is."""

    issuer: str
    audience: str
    algorithms: Sequence[str]
    tenant_claim: str = "tenant"
    scope_claim: str = "scope"
    tenant_id: str | None = None
    """The tenant of tokens that name none; without it they are refused."""

    leeway_s: float = 30.0
    """How far the provider's clock may be from ours."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.algorithms) - ALGORITHMS)
        if unknown or not self.algorithms:
            allowed = ", ".join(sorted(ALGORITHMS))
            raise ValueError(
                f"must be some of {allowed}; not {', '.join(unknown) or 'none of them'}"
            )


class Jwks:
    """The provider's keys, fetched when they are old and when a token names one that is not among them."""

    def __init__(self, fetch: FetchKeys, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    async def key(self, key_id: str | None) -> jwt.PyJWK | None:
        """None when the provider has no such key. Raises `Unavailable` when there are no keys at all."""
        if not self._has_fresh(key_id):
            async with self._one_at_a_time:
                if not self._has_fresh(key_id):
                    await self._refresh()
        return self._find(key_id)

    def _has_fresh(self, key_id: str | None) -> bool:
        is_fresh = self._clock() - self._fetched_at < KEYS_LIFE_S
        return is_fresh and self._find(key_id) is not None

    def _find(self, key_id: str | None) -> jwt.PyJWK | None:
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    async def _refresh(self) -> None:
        if self._clock() - self._tried_at < FETCH_REST_S:
            return
        self._tried_at = self._clock()
        try:
            self._keys = _usable(await self._fetch())
            self._fetched_at = self._clock()
        except Unavailable as error:
            # The keys that we have go on being right: a provider that is away must not lock everybody out.
            log.warning("the keys for tokens cannot be fetched", reason=str(error))
            if not self._keys:
                raise


class JwtReader:
    """A `TokenReader` for signed JWTs."""

    def __init__(self, rules: TokenRules, keys: Jwks) -> None:
        self._rules = rules
        self._keys = keys

    async def read(self, token: str) -> Identity:
        claims = await self._claims(token)
        tenant_id = claims.get(self._rules.tenant_claim, self._rules.tenant_id)
        subject = claims["sub"]
        if not isinstance(tenant_id, str) or not tenant_id:
            raise NotAuthenticated(f"This token names no tenant in {self._rules.tenant_claim!r}.")
        principal = Principal(
            tenant_id=tenant_id,
            # Apart from ids of keys: a provider's user must not be taken for one.
            subject=f"user:{shown(str(subject))}",
            scopes=_scopes(claims.get(self._rules.scope_claim)),
        )
        return Identity(principal, None)

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            if len(token) > MAX_TOKEN_LENGTH:
                raise jwt.InvalidTokenError("it is too long")
            header = jwt.get_unverified_header(token)
            key = await self._keys.key(header.get("kid"))
            if key is None:
                raise jwt.InvalidTokenError("its key is not known")
            return jwt.decode(
                token,
                key,
                algorithms=list(self._rules.algorithms),
                audience=self._rules.audience,
                issuer=self._rules.issuer,
                leeway=self._rules.leeway_s,
                options={
                    "require": ["exp", "iss", "aud", "sub"],
                    "enforce_minimum_key_length": True,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            log.info("a token is refused", reason=type(error).__name__)
            raise NotAuthenticated(f"This token is not good: {_why(error)}.") from None


def _usable(answer: Mapping[str, Any]) -> dict[str | None, jwt.PyJWK]:
    """The keys with which signatures are checked; those for encryption and shared secrets are passed over."""
    usable: dict[str | None, jwt.PyJWK] = {}
    listed = answer.get("keys")
    for entry in listed if isinstance(listed, list) else []:
        if not isinstance(entry, dict) or entry.get("kty") == "oct" or entry.get("use") == "enc":
            continue
        try:
            usable[entry.get("kid")] = jwt.PyJWK(entry)
        except jwt.PyJWTError as error:
            log.warning("a key for tokens is passed over", reason=type(error).__name__)
    return usable


def _scopes(claim: object) -> frozenset[Scope]:
    """`"a b"` or `["a", "b"]`; a provider's scopes for others are passed over."""
    names = claim.split() if isinstance(claim, str) else claim
    known = {scope.value: scope for scope in Scope}
    if not isinstance(names, list):
        return frozenset()
    return frozenset(known[name] for name in names if isinstance(name, str) and name in known)


def _why(error: Exception) -> str:
    """In our own words: the library's may repeat what the token says."""
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"it lacks {error.claim}"
    return next((words for kind, words in _WORDS.items() if isinstance(error, kind)), _OTHERWISE)
