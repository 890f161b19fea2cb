"""Who sends these credentials: API keys, and the port that tokens come in through."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from ops_core.errors import NotAuthenticated
from ops_core.identity.keys import Credential, KeyText, Rate, digest, read_key_text
from ops_core.identity.ports import CredentialStore, KeyPlace
from ops_core.identity.tenants import is_tenant_id
from ops_core.principal import Principal

#: How long what the store said of a key is believed: a key that is revoked elsewhere is good for so long.
#: Without it each request would cost a question more. Seconds.
BELIEVED_S: Final = 5.0

#: Keys that are remembered; beyond it the one that was asked for least lately is forgotten.
MAX_REMEMBERED: Final = 10_000


class Identity(NamedTuple):
    """Who it is, and how often he may ask."""

    principal: Principal
    rate: Rate | None


class TokenReader(Protocol):
    """Reads tokens that somebody else issues."""

    async def read(self, token: str) -> Identity:
        """Raises `NotAuthenticated`."""


@dataclass(slots=True)
class _Believed:
    credential: Credential
    until: float


class Authenticator:
    """Knows callers by `Authorization: Bearer …`: an API key or, when there is a reader, a token."""

    def __init__(
        self,
        store: CredentialStore,
        tokens: TokenReader | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._clock = clock
        self._believed: OrderedDict[tuple[str, bytes], _Believed] = OrderedDict()
        self._open_until: dict[str, float] = {}
        self._uses: dict[KeyPlace, float] = {}

    async def identify(self, authorization: str | None) -> Identity:
        """Raises `NotAuthenticated`."""
        scheme, _, sent = (authorization or "").partition(" ")
        sent = sent.strip()
        if not sent or scheme.lower() != "bearer":
            raise NotAuthenticated
        key = read_key_text(sent)
        if key is not None:
            return await self._by_key(key)
        if self._tokens is None or sent.startswith("osk_"):
            raise NotAuthenticated("This is not an API key: one looks like osk_….")
        found = await self._tokens.read(sent)
        if not await self.is_open(found.principal.tenant_id):
            raise NotAuthenticated("The tenant of this token is not known here, or is disabled.")
        return found

    async def flush(self) -> None:
        """Writes down when keys were last used, all of them at once."""
        uses, self._uses = self._uses, {}
        if not uses:
            return
        now = self._clock()
        try:
            await self._store.note_uses({place: now - at for place, at in uses.items()})
        except BaseException:
            self._uses = {**uses, **self._uses}
            raise

    async def is_open(self, tenant_id: str) -> bool:
        """Whether the tenant is known and not disabled; only that it is gets remembered."""
        now = self._clock()
        if self._open_until.get(tenant_id, now) > now:
            return True
        self._open_until.pop(tenant_id, None)
        if not is_tenant_id(tenant_id) or not await self._store.is_open(tenant_id):
            return False
        self._open_until[tenant_id] = now + BELIEVED_S
        return True

    async def _by_key(self, key: KeyText) -> Identity:
        credential = await self._credential(key)
        self._uses[KeyPlace(credential.tenant_id, credential.key_id)] = self._clock()
        principal = Principal(
            tenant_id=credential.tenant_id,
            subject=credential.key_id,
            scopes=credential.scopes,
        )
        return Identity(principal, credential.rate)

    async def _credential(self, key: KeyText) -> Credential:
        """Only what opens is remembered: guesses push nothing out, and a refusal ends with its cause."""
        known = (key.key_id, digest(key.secret))
        believed = self._believed.get(known)
        if believed is not None and believed.until > self._clock():
            self._believed.move_to_end(known)
            return believed.credential
        credential = await self._store.credential(key.key_id)
        if credential is None or not credential.fits(key.secret):
            self._believed.pop(known, None)
            raise NotAuthenticated("This API key is not known here.")
        if credential.refusal is not None:
            self._believed.pop(known, None)
            raise NotAuthenticated(f"This API key {credential.refusal}.")
        self._believed[known] = _Believed(credential, self._clock() + BELIEVED_S)
        if len(self._believed) > MAX_REMEMBERED:
            self._believed.popitem(last=False)
        return credential
