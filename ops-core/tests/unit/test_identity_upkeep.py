"""Old lines of the audit log, as the dispatcher deletes them."""

import pytest

from ops_core.identity.audit import AuditEntry
from ops_core.testing import FrozenClock, MemoryAuditStore, MemoryIdentity
from ops_core.upkeep.pruning import BATCH, LOOK_S, Pruning

pytestmark = pytest.mark.unit


async def test_old_lines_go_at_once_and_are_looked_for_once_in_a_while() -> None:
    """A full batch is followed by the next; after that it rests."""
    clock, now = FrozenClock(), [0.0]
    store = MemoryAuditStore(MemoryIdentity(clock))
    entry = AuditEntry(tenant_id="default", subject="me", action="x", object="", request_id="r")
    for _ in range(BATCH + 1):
        await store.write(entry)
    clock.advance(61)
    upkeep = Pruning(store, 60, lambda: now[0])
    assert [BATCH, 1, 0] == [await upkeep.prune() for _ in range(3)]
    await store.write(entry)
    clock.advance(61)
    assert 0 == await upkeep.prune()
    now[0] += LOOK_S
    assert 1 == await upkeep.prune()
