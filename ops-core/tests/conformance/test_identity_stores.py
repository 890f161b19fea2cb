"""Keys, tenants and the audit log: one suite over the fakes and over PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from store_world import postgres_clock

from ops_core.errors import (
    ApiKeyNotFound,
    ApiKeyRevoked,
    InvalidRequest,
    TenantExists,
    TenantNotFound,
)
from ops_core.identity.audit import AuditEntry
from ops_core.identity.keys import ApiKey, KeyText, NewApiKey, Rate, digest, new_key_text
from ops_core.identity.ports import (
    AuditFilter,
    AuditStore,
    CredentialStore,
    KeyPlace,
    KeyStore,
    TenantStore,
)
from ops_core.scopes import Scope
from ops_core.store import (
    Database,
    SqlAuditStore,
    SqlCredentialStore,
    SqlKeyStore,
    SqlTenantStore,
)
from ops_core.testing import (
    FrozenClock,
    MemoryAuditStore,
    MemoryCredentialStore,
    MemoryIdentity,
    MemoryKeyStore,
    MemoryTenantStore,
)

pytestmark = pytest.mark.conformance


@dataclass
class Desk:
    """The stores of identity, over one state, and their clock."""

    credentials: CredentialStore
    keys: KeyStore
    tenants: TenantStore
    audit: AuditStore
    advance: Callable[[float], None]

    async def key(self, tenant_id: str = "default", **fields: object) -> tuple[ApiKey, KeyText]:
        text = new_key_text()
        new = replace(new_key(tenant_id, text), **fields)  # type: ignore[arg-type]
        return await self.keys.create(new, entry("create_api_key", text.key_id, tenant_id)), text

    async def tenant(self, tenant_id: str) -> KeyText:
        text = new_key_text()
        told = entry("create_tenant", tenant_id)
        await self.tenants.create(tenant_id, tenant_id.title(), new_key(tenant_id, text), told)
        return text

    async def refusal(self, key_id: str) -> str | None:
        credential = await self.credentials.credential(key_id)
        assert credential is not None
        return credential.refusal

    async def opens(self, text: KeyText) -> bool:
        credential = await self.credentials.credential(text.key_id)
        return credential is not None and credential.fits(text.secret)

    async def actions(self, tenant_id: str = "default") -> list[tuple[str, str]]:
        page = await self.audit.page(tenant_id, AuditFilter(), limit=50, cursor=None)
        return [(record.entry.action, record.entry.object) for record in page.records]


def new_key(tenant_id: str, text: KeyText) -> NewApiKey:
    return NewApiKey(
        tenant_id=tenant_id,
        key_id=text.key_id,
        name="a name",
        scopes=frozenset({Scope.TASKS_READ, Scope.KEYS_ADMIN}),
        secret_hash=digest(text.secret),
        created_by="key_0000000000000000",
    )


def entry(action: str, object_: str = "", tenant_id: str = "default") -> AuditEntry:
    return AuditEntry(
        tenant_id=tenant_id, subject="me", action=action, object=object_, request_id="r1"
    )


@pytest.fixture(params=["memory", "postgres"])
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    if request.param == "memory":
        clock = FrozenClock()
        state = MemoryIdentity(clock)
        yield Desk(
            MemoryCredentialStore(state),
            MemoryKeyStore(state),
            MemoryTenantStore(state),
            MemoryAuditStore(state),
            clock.advance,
        )
        return
    database = Database(request.getfixturevalue("database_url"), pool_size=3)
    yield Desk(
        SqlCredentialStore(database),
        SqlKeyStore(database),
        SqlTenantStore(database),
        SqlAuditStore(database),
        postgres_clock(database),
    )
    await database.close()


async def test_a_key_is_kept_as_it_was_asked_for(desk: Desk) -> None:
    """Everything but the secret comes back."""
    ends = datetime(2100, 1, 1, tzinfo=UTC)
    made, _ = await desk.key(rate=Rate(60, 5), expires_at=ends)
    assert made == await desk.keys.get("default", made.key_id)
    assert ("a name", frozenset({Scope.TASKS_READ, Scope.KEYS_ADMIN})) == (made.name, made.scopes)
    assert (Rate(60, 5), ends, None, None) == (
        made.rate,
        made.expires_at,
        made.revoked_at,
        made.last_used_at,
    )


async def test_a_key_is_known_by_its_id_and_only_its_secret_fits(desk: Desk) -> None:
    """The tenant and the scopes come with it."""
    made, text = await desk.key()
    credential = await desk.credentials.credential(made.key_id)
    assert credential is not None
    assert ("default", made.scopes, None) == (
        credential.tenant_id,
        credential.scopes,
        credential.refusal,
    )
    assert [True, False] == [credential.fits(text.secret), credential.fits(new_key_text().secret)]
    assert await desk.credentials.credential("key_ffffffffffffffff") is None


async def test_a_key_needs_a_tenant_that_there_is(desk: Desk) -> None:
    with pytest.raises(TenantNotFound):
        await desk.key("nobody")


async def test_a_key_of_another_tenant_is_not_found(desk: Desk) -> None:
    """Neither read, nor changed, nor listed."""
    await desk.tenant("acme")
    made, _ = await desk.key()
    told = entry("x", tenant_id="acme")
    with pytest.raises(ApiKeyNotFound):
        await desk.keys.get("acme", made.key_id)
    with pytest.raises(ApiKeyNotFound):
        await desk.keys.revoke("acme", made.key_id, told)
    with pytest.raises(ApiKeyNotFound):
        await desk.keys.rotate("acme", made.key_id, digest("x"), 0, told)
    page = await desk.keys.page("acme", limit=10, cursor=None)
    assert made.key_id not in {key.key_id for key in page.keys}


async def test_a_revoked_key_opens_nothing_and_cannot_be_rotated(desk: Desk) -> None:
    """Revoking twice changes nothing."""
    made, _ = await desk.key()
    revoked = await desk.keys.revoke("default", made.key_id, entry("revoke_api_key"))
    assert revoked == await desk.keys.revoke("default", made.key_id, entry("revoke_api_key"))
    assert "was revoked" == await desk.refusal(made.key_id)
    with pytest.raises(ApiKeyRevoked):
        await desk.keys.rotate("default", made.key_id, digest("x"), 0, entry("x"))


async def test_a_key_expires_by_the_clock_of_the_store(desk: Desk) -> None:
    now = (await desk.key())[0].created_at
    made, _ = await desk.key(expires_at=now + timedelta(days=400))
    assert await desk.refusal(made.key_id) is None
    desk.advance(401 * 86_400)
    assert "has expired" == await desk.refusal(made.key_id)


async def test_a_key_that_would_open_nothing_is_not_made(desk: Desk) -> None:
    """Neither a new one, nor a new secret of one whose time is over: by the clock of the store."""
    now = (await desk.key())[0].created_at
    made, _ = await desk.key(expires_at=now + timedelta(days=400))
    desk.advance(400 * 86_400)
    for asked in (
        desk.key(expires_at=now + timedelta(days=399)),
        desk.keys.rotate("default", made.key_id, digest("x"), 0, entry("x")),
    ):
        with pytest.raises(InvalidRequest) as caught:
            await asked
        assert ["expires_at"] == [error.path for error in caught.value.errors]
    assert 2 == len((await desk.keys.page("default", limit=9, cursor=None)).keys)


async def test_the_old_secret_of_a_rotated_key_is_good_for_the_grace(desk: Desk) -> None:
    """Both at first, then the new one alone."""
    made, old = await desk.key()
    new = new_key_text(made.key_id)
    rotated = await desk.keys.rotate("default", made.key_id, digest(new.secret), 60, entry("x"))
    assert rotated.previous_until is not None
    assert [True, True] == [await desk.opens(old), await desk.opens(new)]
    desk.advance(61)
    assert [False, True] == [await desk.opens(old), await desk.opens(new)]


async def test_without_a_grace_the_old_secret_is_bad_at_once(desk: Desk) -> None:
    """A rotation after another one ends the grace of the first, too."""
    made, old = await desk.key()
    between, new = new_key_text(made.key_id), new_key_text(made.key_id)
    await desk.keys.rotate("default", made.key_id, digest(between.secret), 60, entry("x"))
    await desk.keys.rotate("default", made.key_id, digest(new.secret), 0, entry("x"))
    assert [False, False, True] == [await desk.opens(text) for text in (old, between, new)]


async def test_keys_are_listed_newest_first_and_stable_under_inserts(desk: Desk) -> None:
    """A page goes on where the last one ended, whatever came meanwhile."""
    made = []
    for _ in range(3):
        made.append((await desk.key())[0].key_id)
        desk.advance(1)
    first = await desk.keys.page("default", limit=2, cursor=None)
    await desk.key()
    second = await desk.keys.page("default", limit=2, cursor=first.next_cursor)
    assert made[::-1] == [key.key_id for key in [*first.keys, *second.keys]]
    assert second.next_cursor is None


async def test_a_cursor_that_was_not_given_out_is_refused(desk: Desk) -> None:
    """By each list."""
    for ask in (
        desk.keys.page("default", limit=1, cursor="nonsense"),
        desk.tenants.page(limit=1, cursor="nonsense"),
        desk.audit.page("default", AuditFilter(), limit=1, cursor="nonsense"),
    ):
        with pytest.raises(InvalidRequest):
            await ask


async def test_uses_are_noted_together_and_never_go_back(desk: Desk) -> None:
    """An older use, told later by another door, changes nothing."""
    made, _ = await desk.key()
    place = KeyPlace("default", made.key_id)
    await desk.credentials.note_uses({place: 1.0})
    last = (await desk.keys.get("default", made.key_id)).last_used_at
    await desk.credentials.note_uses({place: 3600.0})
    assert last is not None
    assert last == (await desk.keys.get("default", made.key_id)).last_used_at


async def test_a_server_has_keys_while_one_can_be_used(desk: Desk) -> None:
    assert not await desk.credentials.has_keys()
    made, _ = await desk.key()
    assert await desk.credentials.has_keys()
    await desk.keys.revoke("default", made.key_id, entry("x"))
    assert not await desk.credentials.has_keys()


async def test_a_tenant_begins_with_a_key_of_its_own(desk: Desk) -> None:
    """Its id is taken from then on."""
    text = await desk.tenant("acme")
    credential = await desk.credentials.credential(text.key_id)
    assert credential is not None
    assert ("acme", True) == (credential.tenant_id, await desk.credentials.is_open("acme"))
    with pytest.raises(TenantExists):
        await desk.tenant("acme")


async def test_a_disabled_tenant_is_let_in_nowhere_until_it_is_enabled(desk: Desk) -> None:
    """Neither by its keys nor by tokens."""
    text = await desk.tenant("acme")
    disabled = await desk.tenants.disable("acme", entry("disable_tenant", "acme"))
    assert disabled.disabled_at is not None
    assert "belongs to a tenant that is disabled" == await desk.refusal(text.key_id)
    assert not await desk.credentials.is_open("acme")
    await desk.tenants.enable("acme", entry("enable_tenant", "acme"))
    assert (None, True) == (
        await desk.refusal(text.key_id),
        await desk.credentials.is_open("acme"),
    )


async def test_a_tenant_that_there_is_not_is_told(desk: Desk) -> None:
    for change in (desk.tenants.disable("x", entry("x")), desk.tenants.enable("x", entry("x"))):
        with pytest.raises(TenantNotFound):
            await change
    assert not await desk.credentials.is_open("x")


async def test_tenants_are_listed_newest_first(desk: Desk) -> None:
    """The operator's own is the oldest."""
    desk.advance(1)
    await desk.tenant("acme")
    first = await desk.tenants.page(limit=1, cursor=None)
    second = await desk.tenants.page(limit=1, cursor=first.next_cursor)
    assert ["acme", "default"] == [t.tenant_id for t in [*first.tenants, *second.tenants]]


async def test_what_changes_keys_and_tenants_is_in_the_audit_log(desk: Desk) -> None:
    """Newest first; a change that is refused leaves no line."""
    made, _ = await desk.key()
    desk.advance(1)
    await desk.keys.revoke("default", made.key_id, entry("revoke_api_key", made.key_id))
    with pytest.raises(ApiKeyRevoked):
        await desk.keys.rotate("default", made.key_id, digest("x"), 0, entry("rotate_api_key"))
    expected = [("revoke_api_key", made.key_id), ("create_api_key", made.key_id)]
    assert expected == await desk.actions()


async def test_the_audit_log_is_filtered_and_read_in_pages(desk: Desk) -> None:
    """By who, what and to what; a tenant sees its own."""
    for action in ("cancel_task", "retry_task", "cancel_task"):
        await desk.audit.write(entry(action, "task_1"))
        desk.advance(1)
    await desk.audit.write(replace(entry("cancel_task"), outcome="denied", reason="missing_scope"))
    where = AuditFilter(action="cancel_task", object="task_1", subject="me")
    first = await desk.audit.page("default", where, limit=1, cursor=None)
    second = await desk.audit.page("default", where, limit=1, cursor=first.next_cursor)
    assert ["cancel_task"] * 2 == [r.entry.action for r in [*first.records, *second.records]]
    assert second.next_cursor is None
    assert [] == await desk.actions("acme")


async def test_old_lines_of_the_audit_log_go_a_batch_at_a_time(desk: Desk) -> None:
    """The oldest first; younger ones stay."""
    for action in ("first", "second", "third"):
        await desk.audit.write(entry(action))
        desk.advance(100)
    assert 1 == await desk.audit.prune(150, limit=1)
    assert ["third", "second"] == [action for action, _ in await desk.actions()]
    assert [1, 0] == [await desk.audit.prune(150, limit=9) for _ in range(2)]
