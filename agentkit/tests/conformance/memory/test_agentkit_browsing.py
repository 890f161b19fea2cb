"""What every memory says of what it holds, across the namespaces of a tenant: the fake, and Chroma twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agentkit import MemoryEntry, Namespace
from agentkit.errors import UsageError
from agentkit.memory import BrowsableMemory, KeptEntry, Scope, chroma_browsing
from agentkit.testing import FrozenClock

ADA = Namespace("acme", "support", "ada")
BOB = Namespace("acme", "support", "bob")
SALES = Namespace("acme", "sales", "ada")
NOBODYS = Namespace("acme", "support")
GLOBEX = Namespace("globex", "support", "ada")
ALL = (ADA, BOB, SALES, NOBODYS, GLOBEX)


def note(text: str, **metadata: str) -> MemoryEntry:
    return MemoryEntry(text, "a test", metadata)


async def fill(memory: BrowsableMemory, clock: FrozenClock) -> None:
    """One note in each namespace, a second after the other."""
    for namespace in ALL:
        await memory.keep(namespace, note(f"tea of {namespace.agent} {namespace.user}"))
        clock.advance(1)


async def listed(memory: BrowsableMemory, scope: Scope, limit: int = 3) -> list[KeptEntry]:
    """Every page of it."""
    found: list[KeptEntry] = []
    while page := await memory.page(scope, limit=limit, before=found[-1].place if found else None):
        found += page
    return found


async def test_what_is_kept_is_told_whole(memory: BrowsableMemory, clock: FrozenClock) -> None:
    """With its namespace; once more is the same entry, with the new metadata over the old."""
    first, is_new = await memory.keep(ADA, note(" Ada drinks tea ", topic="tea"))
    assert is_new
    assert KeptEntry(
        first.id, ADA, "Ada drinks tea", "a test", clock.now(), {"topic": "tea"}
    ) == await memory.entry("acme", first.id)
    clock.advance(60)
    again, is_new = await memory.keep(ADA, note("ADA drinks tea", sure="yes"))
    assert (first.id, False) == (again.id, is_new)
    assert {"topic": "tea", "sure": "yes"} == again.metadata
    assert again == await memory.entry("acme", first.id)


async def test_another_tenants_entry_is_none(memory: BrowsableMemory) -> None:
    """Whoever has learnt its id neither reads nor forgets it."""
    kept, _ = await memory.keep(ADA, note("tea"))
    assert None is await memory.entry("globex", kept.id)
    assert 0 == await memory.forget_in(Scope("globex"), [kept.id])
    assert None is await memory.entry("acme", "0" * 32)
    assert kept == await memory.entry("acme", kept.id)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope("acme"), [NOBODYS, SALES, BOB, ADA]),
        (Scope("acme", "support"), [NOBODYS, BOB, ADA]),
        (Scope("acme", user="ada"), [SALES, ADA]),
        (Scope("acme", "support", "ada"), [ADA]),
        (Scope("acme", user=""), [NOBODYS]),
        (Scope("nobody"), []),
    ],
)
async def test_a_scope_is_listed_searched_and_forgotten(
    memory: BrowsableMemory, clock: FrozenClock, scope: Scope, expected: list[Namespace]
) -> None:
    """Newest first, all of it and nothing else; what is outside stays."""
    await fill(memory, clock)
    assert expected == [entry.namespace for entry in await listed(memory, scope)]
    found = await memory.find(scope, "tea", 10)
    assert set(expected) == {entry.namespace for entry in found}
    assert all(entry.score is not None and entry.score > 0.2 for entry in found)
    assert len(expected) == await memory.forget_in(scope)
    assert () == await memory.page(scope)
    left = [*await memory.page(Scope("acme")), *await memory.page(Scope("globex"))]
    assert set(ALL) - set(expected) == {entry.namespace for entry in left}


async def test_the_most_alike_is_found_first(memory: BrowsableMemory) -> None:
    """Whoever's it is, and no more than asked for; a condition leaves out the rest."""
    await memory.keep(ADA, note("the cat sleeps", topic="pets"))
    await memory.keep(BOB, note("invoices are due in March", topic="money"))
    first, *_ = await memory.find(Scope("acme"), "when are invoices due", 2)
    assert ("invoices are due in March", BOB) == (first.text, first.namespace)
    [only] = await memory.find(Scope("acme"), "when are invoices due", where={"topic": "pets"})
    assert "the cat sleeps" == only.text
    assert [only.id] == [e.id for e in await memory.page(Scope("acme"), where={"topic": "pets"})]


async def test_pages_hold_what_was_there_once(memory: BrowsableMemory, clock: FrozenClock) -> None:
    """What is saved and forgotten between two pages moves nothing."""
    await fill(memory, clock)
    first = await memory.page(Scope("acme"), limit=2)
    await memory.keep(BOB, note("a later one"))
    await memory.forget_in(Scope("acme"), [first[-1].id])
    second = await memory.page(Scope("acme"), limit=2, before=first[-1].place)
    assert [NOBODYS, SALES, BOB, ADA] == [entry.namespace for entry in (*first, *second)]


async def test_old_new_and_simultaneous_entries_come_in_order(
    memory: BrowsableMemory, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when there are more of a moment than are sorted together; those of one moment by their ids."""
    monkeypatch.setattr(chroma_browsing, "_CROWD", 4)
    now = clock.now()
    moments = [
        *(now - timedelta(seconds=n) for n in range(6)),
        *[now - timedelta(days=40)] * 6,
        *[now - timedelta(days=3000, microseconds=n) for n in range(3)],
        datetime(1950, 1, 1, tzinfo=UTC),
        *[now + timedelta(days=1, microseconds=n) for n in range(6)],
    ]
    entries = [MemoryEntry(f"note {n}", saved_at=at) for n, at in enumerate(moments)]
    await memory.add(ADA, entries)
    found = await listed(memory, Scope("acme"), 5)
    assert sorted(moments, reverse=True) == [entry.saved_at for entry in found]
    assert sorted((e.place for e in found), reverse=True) == [e.place for e in found]


async def test_bounds_are_kept(memory: BrowsableMemory) -> None:
    """Too large a page, too many matches and no tenant are refused, and forgetting no ids is nothing."""
    with pytest.raises(UsageError, match="1 to 1000 entries"):
        await memory.page(Scope("acme"), limit=1001)
    with pytest.raises(UsageError, match="1 to 100 matches"):
        await memory.find(Scope("acme"), "tea", 101)
    with pytest.raises(UsageError, match="name the tenant"):
        Scope(" ")
    await memory.keep(ADA, note("tea"))
    assert 0 == await memory.forget_in(Scope("acme"), [])
