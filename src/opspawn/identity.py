"""A part of the composition root: who may come in, and the keys of a machine's own server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import structlog

from ops_core.errors import StoreUnavailable, Unavailable
from ops_core.identity.audit import AuditEntry
from ops_core.identity.authenticator import Authenticator
from ops_core.identity.gate import Gate, OpenGate
from ops_core.identity.guard import Guard
from ops_core.identity.key_service import ApiKeyService
from ops_core.identity.keys import KeyText, NewApiKey, Rate, digest, new_key_text
from ops_core.identity.requests import default_burst
from ops_core.identity.tenants import OPERATOR
from ops_core.scopes import Scope
from ops_core.store import (
    Database,
    SqlAuditStore,
    SqlCredentialStore,
    SqlKeyStore,
    SqlTaskStore,
    check_isolation,
)
from opspawn import key_file
from opspawn.database_errors import DATABASE_ERRORS, explain
from opspawn.own_database import NoDatabase, database_url
from opspawn.settings import Settings

if TYPE_CHECKING:
    from ops_core.identity.tokens import JwtReader

log = structlog.get_logger(__name__)

#: How often the last uses of keys are written down, all of them together. Seconds.
NOTE_USES_S: Final = 10.0


@asynccontextmanager
async def gate(settings: Settings, database: Database) -> AsyncIterator[Gate]:
    """The gate of a process's doors; at the end it writes down which keys were used."""
    if settings.auth == "none":
        yield OpenGate()
        return
    authenticator = Authenticator(SqlCredentialStore(database), _tokens(settings))
    per_minute = settings.requests_per_minute
    rate = Rate(per_minute, default_burst(per_minute)) if per_minute else None
    noting = asyncio.create_task(_note_uses(authenticator))
    try:
        yield Guard(authenticator, SqlAuditStore(database), rate=rate)
    finally:
        noting.cancel()
        await asyncio.gather(noting, return_exceptions=True)
        with contextlib.suppress(Unavailable):  # we leave; that a key was used is worth no wait
            await authenticator.flush()


@asynccontextmanager
async def keyring(settings: Settings) -> AsyncIterator[ApiKeyService]:
    """The keys in the database itself, for its operator. Raises `NoDatabase`."""
    url = database_url(settings)
    database = Database(url, pool_size=2)
    try:
        yield ApiKeyService(SqlKeyStore(database))
    except StoreUnavailable as error:
        cause = error.__cause__
        raise NoDatabase(f"DATABASE_URL: {explain(cause, url) if cause else error}") from None
    except DATABASE_ERRORS as error:
        raise NoDatabase(f"DATABASE_URL: {explain(error, url)}") from None
    finally:
        await database.close()


class NotIsolated(Exception):
    """Tenants are not kept apart in this database, or nobody knows; the message says what to do."""


async def examined(url: str) -> bool:
    """Whether there is a key that opens. Raises `NotIsolated`."""
    database = Database(url, pool_size=2)
    try:
        await SqlTaskStore(database).check()
        await check_isolation(database)
        return await SqlCredentialStore(database).has_keys()
    except StoreUnavailable as error:
        cause = error.__cause__
        raise NotIsolated(explain(cause, url) if cause else str(error)) from None
    finally:
        await database.close()


async def first_key(settings: Settings, database: Database) -> KeyText | None:
    """Makes the key of a server that has none, and keeps it in the data folder for commands on this machine.

    None when there is a key already: its secret is told once.
    """
    store = SqlCredentialStore(database)
    if settings.auth == "none" or await store.has_keys():
        return None
    text = new_key_text()
    new = NewApiKey(
        tenant_id=OPERATOR,
        key_id=text.key_id,
        name="made at the first start",
        scopes=frozenset({Scope.ADMIN}),
        secret_hash=digest(text.secret),
        created_by="opspawn up",
    )
    entry = AuditEntry(
        tenant_id=OPERATOR,
        subject="opspawn up",
        action="create_api_key",
        object=text.key_id,
        request_id="",
    )
    await SqlKeyStore(database).create(new, entry)
    key_file.write(settings.key_file, str(text))
    return text


def _tokens(settings: Settings) -> "JwtReader | None":
    if settings.jwt_issuer is None or settings.jwt_audience is None or settings.jwt_keys is None:
        return None
    # Imported here: what checks signatures holds 9 MB, and most servers know keys of their own alone.
    from ops_core.identity.tokens import Jwks, JwtReader, TokenRules
    from opspawn.jwks import source

    rules = TokenRules(
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        algorithms=settings.signatures,
        tenant_claim=settings.jwt_tenant_claim,
        scope_claim=settings.jwt_scope_claim,
        tenant_id=settings.jwt_tenant,
        leeway_s=settings.jwt_leeway_s,
    )
    return JwtReader(rules, Jwks(source(settings.jwt_keys)))


async def _note_uses(authenticator: Authenticator) -> None:
    while True:
        await asyncio.sleep(NOTE_USES_S)
        try:
            await authenticator.flush()
        except Unavailable as error:  # kept, and written down the next time
            log.warning("last uses of keys are not written down yet", reason=str(error))
