"""API keys of the caller's tenant: what the server says of them, and the calls."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import SecretStr

from opspawn.client.call import Call, Json, get, given, post, segment
from opspawn.client.reading import page_of
from opspawn.client.views import Page, View


class ApiKey(View):
    """A key, without its secret."""

    key_id: str
    name: str
    scopes: list[str]
    requests_per_minute: int | None = None
    burst: int | None = None
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    previous_until: datetime | None = None


class ToldKey(View):
    """A key with what to send as `Authorization: Bearer …`: `secret.get_secret_value()`, this once."""

    api_key: ApiKey
    secret: SecretStr


def create(name: str, scopes: Sequence[str], fields: Json) -> Call[ToldKey]:
    # The server knows no key here: a second one would be another API key, that nobody has.
    body = {"name": name, "scopes": list(scopes), **_said(fields)}
    return post("/api-keys", ToldKey.model_validate, body, repeatable=False)


def api_key(key_id: str) -> Call[ApiKey]:
    return get(_path(key_id), ApiKey.model_validate)


def api_keys(where: Json) -> Call[Page[ApiKey]]:
    return get("/api-keys", page_of("api_keys", ApiKey), **where)


def rotate(key_id: str, grace_s: float | None) -> Call[ToldKey]:
    body = given({"grace_s": grace_s})
    return post(f"{_path(key_id)}/rotate", ToldKey.model_validate, body, repeatable=False)


def revoke(key_id: str) -> Call[ApiKey]:
    return post(f"{_path(key_id)}/revoke", ApiKey.model_validate)


def _said(fields: Json) -> Json:
    """A time as the server reads it."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in given(fields).items()
    }


def _path(key_id: str) -> str:
    return f"/api-keys/{segment(key_id)}"
