"""Keys: one suite over the fakes and over PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest
from identity_desk import Desk, entry

from ops_core.errors import ApiKeyNotFound, ApiKeyRevoked, InvalidRequest, TenantNotFound
from ops_core.identity.keys import Rate, digest, new_key_text
from ops_core.identity.ports import AuditFilter, KeyPlace
from ops_core.scopes import Scope

pytestmark = pytest.mark.conformance


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
