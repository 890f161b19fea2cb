"""Tenants and the audit log: one suite over the fakes and over PostgreSQL."""

from dataclasses import replace

import pytest
from identity_desk import Desk, entry

from ops_core.errors import ApiKeyRevoked, TenantExists, TenantNotFound
from ops_core.identity.keys import digest
from ops_core.identity.ports import AuditFilter

pytestmark = pytest.mark.conformance


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
