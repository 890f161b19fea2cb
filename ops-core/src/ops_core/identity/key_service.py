"""Keys as a door sees them."""

from dataclasses import dataclass, field

from ops_core.errors import ApiKeyNotFound, FieldError, InvalidRequest
from ops_core.identity.audit import change_of
from ops_core.identity.keys import ApiKey, KeyText, NewApiKey, digest, is_key_id, new_key_text
from ops_core.identity.ports import KeyPage, KeyStore
from ops_core.identity.requests import ApiKeyRequest, RotationRequest
from ops_core.principal import Principal
from ops_core.scopes import Scope


@dataclass(frozen=True, slots=True)
class ToldKey:
    """A key with its text, which is told this once."""

    key: ApiKey
    text: KeyText = field(repr=False)


class ApiKeyService:
    """The keys of the caller's own tenant."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store

    async def create(self, asked: ApiKeyRequest, *, by: Principal, request_id: str) -> ToldKey:
        """Raises `InvalidRequest` for a scope that the caller does not have, or a time that is over."""
        scopes = frozenset(asked.scopes)
        _refuse_more_than_held(by, scopes)
        text = new_key_text()
        new = NewApiKey(
            tenant_id=by.tenant_id,
            key_id=text.key_id,
            name=asked.name,
            scopes=scopes,
            secret_hash=digest(text.secret),
            created_by=by.subject,
            rate=asked.rate(),
            expires_at=asked.expires_at,
        )
        entry = change_of(by, "create_api_key", text.key_id, request_id)
        return ToldKey(await self._store.create(new, entry), text)

    async def get(self, key_id: str, *, by: Principal) -> ApiKey:
        """Raises `ApiKeyNotFound`."""
        return await self._store.get(by.tenant_id, _checked(key_id))

    async def page(self, *, by: Principal, limit: int, cursor: str | None) -> KeyPage:
        """Newest first. Raises `InvalidRequest`."""
        return await self._store.page(by.tenant_id, limit=limit, cursor=cursor)

    async def rotate(
        self, key_id: str, asked: RotationRequest, *, by: Principal, request_id: str
    ) -> ToldKey:
        """Raises `ApiKeyNotFound`, `ApiKeyRevoked`, `InvalidRequest` (it may do more, or has expired)."""
        key = await self._store.get(by.tenant_id, _checked(key_id))
        _refuse_more_than_held(by, key.scopes)
        text = new_key_text(key_id)
        entry = change_of(by, "rotate_api_key", key_id, request_id)
        rotated = await self._store.rotate(
            by.tenant_id, key_id, digest(text.secret), asked.grace_s, entry
        )
        return ToldKey(rotated, text)

    async def revoke(self, key_id: str, *, by: Principal, request_id: str) -> ApiKey:
        """Raises `ApiKeyNotFound`."""
        entry = change_of(by, "revoke_api_key", key_id, request_id)
        return await self._store.revoke(by.tenant_id, _checked(key_id), entry)


def _refuse_more_than_held(by: Principal, scopes: frozenset[Scope]) -> None:
    """Else `keys:admin` would be `admin`: whoever has it could make itself any key."""
    beyond = sorted(scope for scope in scopes if not by.may(scope))
    if beyond:
        message = f"may hold only what you may do yourself, and you may not {', '.join(beyond)}"
        raise InvalidRequest([FieldError("scopes", message)])


def _checked(key_id: str) -> str:
    """Raises `ApiKeyNotFound` for what no store could hold."""
    if not is_key_id(key_id):
        raise ApiKeyNotFound(key_id)
    return key_id
