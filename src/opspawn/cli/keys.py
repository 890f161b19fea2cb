"""`opspawn keys`: the keys of a tenant, as the operator of the database sees them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from ops_core.bodies import parsed
from ops_core.errors import CallerError
from ops_core.identity.key_service import ApiKeyService, ToldKey
from ops_core.identity.keys import ApiKey
from ops_core.identity.requests import ApiKeyRequest, RotationRequest
from ops_core.log import rfc3339
from ops_core.principal import Principal
from ops_core.scopes import Scope
from opspawn import identity
from opspawn.cli.exits import REFUSED, UNAVAILABLE, CommandError
from opspawn.cli.process import say
from opspawn.cli.text import print_json, print_line
from opspawn.client.call import Json
from opspawn.own_database import NoDatabase
from opspawn.settings import Settings

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a new key is to be."""

    name: str
    scopes: list[str]
    days: float | None
    per_minute: int | None

    def body(self) -> Json:
        body: Json = {"name": self.name, "scopes": self.scopes}
        if self.days is not None:
            body["expires_at"] = (datetime.now(UTC) + timedelta(days=self.days)).isoformat()
        if self.per_minute is not None:
            body["requests_per_minute"] = self.per_minute
        return body


def create(settings: Settings, wanted: Wanted, *, tenant: str, as_json: bool) -> None:
    """Prints the key alone on standard output, so that a script can keep it."""

    async def ask(keys: ApiKeyService) -> ToldKey:
        asked = parsed(ApiKeyRequest, wanted.body())
        return await keys.create(asked, by=_operator(tenant), request_id="")

    _tell(_asked(settings, ask), as_json=as_json)


def rotate(settings: Settings, key_id: str, grace_s: float, *, tenant: str, as_json: bool) -> None:
    async def ask(keys: ApiKeyService) -> ToldKey:
        asked = parsed(RotationRequest, {"grace_s": grace_s})
        return await keys.rotate(key_id, asked, by=_operator(tenant), request_id="")

    _tell(_asked(settings, ask), as_json=as_json)


def revoke(settings: Settings, key_id: str, *, tenant: str, as_json: bool) -> None:
    key = _asked(settings, lambda keys: keys.revoke(key_id, by=_operator(tenant), request_id=""))
    if as_json:
        print_json(_json(key))
    else:
        print_line(f"{key.key_id} is revoked; every door has noticed within seconds.")


def list_keys(settings: Settings, *, tenant: str, limit: int, as_json: bool) -> None:
    page = _asked(settings, lambda keys: keys.page(by=_operator(tenant), limit=limit, cursor=None))
    if as_json:
        print_json({"api_keys": [_json(key) for key in page.keys]})
        return
    table = Table("key_id", "name", "scopes", "last used", "state", box=None)
    for key in page.keys:
        used = rfc3339(key.last_used_at)[:19] if key.last_used_at else "never"
        table.add_row(key.key_id, key.name, " ".join(sorted(key.scopes)), used, _state(key))
    Console(highlight=False, markup=False).print(table)


def _asked(settings: Settings, ask: Callable[[ApiKeyService], Awaitable[Result]]) -> Result:
    async def main() -> Result:
        async with identity.keyring(settings) as keys:
            return await ask(keys)

    try:
        return asyncio.run(main())
    except CallerError as error:
        raise CommandError(str(error), REFUSED) from None
    except NoDatabase as error:
        raise CommandError(str(error), UNAVAILABLE) from None


def _operator(tenant: str) -> Principal:
    """Whoever holds the database may make any key."""
    return Principal(tenant_id=tenant, subject="opspawn keys", scopes=frozenset({Scope.ADMIN}))


def _tell(told: ToldKey, *, as_json: bool) -> None:
    if as_json:
        print_json({"api_key": _json(told.key), "secret": str(told.text)})
        return
    say(f"{told.key.key_id} ({told.key.name}), told this once:")
    print_line(str(told.text))


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return f"until {rfc3339(key.expires_at)[:19]}" if key.expires_at else "open"


def _json(key: ApiKey) -> Json:
    times = {
        name: rfc3339(at) if (at := getattr(key, name)) else None
        for name in ("created_at", "expires_at", "revoked_at", "last_used_at", "previous_until")
    }
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "requests_per_minute": key.rate.per_minute if key.rate else None,
        "burst": key.rate.burst if key.rate else None,
        "created_by": key.created_by,
        **times,
    }
