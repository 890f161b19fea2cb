"""What every shelf of memories does: the fake that ships, and the long-term memory of agentkit twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from agentkit import InMemoryLongTermMemory
from ops_core.errors import InvalidRequest, MemoryNotFound
from ops_core.memories import Memory, MemoryFilter, MemoryShelf, NewMemory
from ops_core.testing import InMemoryShelf
from opspawn.agents.memory import remembering
from opspawn.memories.access import shared_shelf
from opspawn.memories.shelf import RememberedShelf
from opspawn.settings import Settings

pytestmark = pytest.mark.conformance

EVERYTHING = MemoryFilter()
ADAS = MemoryFilter(user="ada")


@pytest.fixture(params=["the fake", "agentkit in memory", "agentkit in Chroma"])
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MemoryShelf]:
    """One of each kind; that in Chroma as a process has it that runs agents and doors."""
    async with AsyncExitStack() as stack:
        if request.param == "the fake":
            yield InMemoryShelf()
        elif request.param == "agentkit in memory":
            yield RememberedShelf(InMemoryLongTermMemory())
        else:
            chosen: dict[str, Any] = {"ltm_provider": "chroma", "ltm_chroma_path": tmp_path / "m"}
            settings = Settings(_env_file=None, **chosen)
            memory = await stack.enter_async_context(remembering(settings, now=False))
            yield await stack.enter_async_context(shared_shelf(memory))


def new(text: str, user: str = "", **fields: Any) -> NewMemory:
    about = {"tenant_id": "acme", "agent": "support", "source": "key_1", "metadata": {}, **fields}
    return NewMemory(text=text, user=user, **about)


async def added(shelf: MemoryShelf, *news: NewMemory) -> list[Memory]:
    return [(await shelf.add(each))[0] for each in news]


async def test_what_is_added_is_told_whole(shelf: MemoryShelf) -> None:
    """Whose it is, who said it, its metadata; no score where nothing was searched for."""
    sent = new("Ada drinks tea", "ada", metadata={"topic": "drinks", "sure": True, "cups": 2.5})
    memory, is_new = await shelf.add(sent)
    assert is_new
    assert ("acme", "support", "ada", "Ada drinks tea", "key_1", None) == (
        memory.tenant_id,
        memory.agent,
        memory.user,
        memory.text,
        memory.source,
        memory.score,
    )
    assert {"topic": "drinks", "sure": True, "cups": 2.5} == memory.metadata
    assert memory == await shelf.get("acme", memory.memory_id)


async def test_the_same_text_stays_one_memory(shelf: MemoryShelf) -> None:
    """But for case and blanks; of another user it is another one."""
    first, _ = await shelf.add(new("Ada drinks tea", "ada", metadata={"a": 1}))
    again, is_new = await shelf.add(new("ADA  drinks tea", "ada", metadata={"b": 2}))
    assert (first.memory_id, False) == (again.memory_id, is_new)
    assert ("ADA  drinks tea", {"a": 1, "b": 2}) == (again.text, again.metadata)
    assert first.saved_at <= again.saved_at
    [other] = await added(shelf, new("Ada drinks tea", "bob"))
    assert first.memory_id != other.memory_id


async def test_keys_that_add_up_to_too_many_are_refused(shelf: MemoryShelf) -> None:
    """And nothing has changed."""
    [first] = await added(shelf, new("tea", metadata={f"a{n}": n for n in range(10)}))
    with pytest.raises(InvalidRequest, match=r"metadata: .*17"):
        await shelf.add(new("tea", metadata={f"b{n}": n for n in range(7)}))
    assert first == await shelf.get("acme", first.memory_id)


async def test_pages_come_newest_first(shelf: MemoryShelf) -> None:
    """Each memory once, also when others come and go in between."""
    made = await added(shelf, *(new(f"note {n}") for n in range(5)))
    first = await shelf.page("acme", EVERYTHING, limit=2, cursor=None)
    await shelf.add(new("a later one"))
    await shelf.forget("acme", first.memories[-1].memory_id)
    second = await shelf.page("acme", EVERYTHING, limit=2, cursor=first.next_cursor)
    third = await shelf.page("acme", EVERYTHING, limit=2, cursor=second.next_cursor)
    found = [*first.memories, *second.memories, *third.memories]
    assert [*reversed(made)] == found
    assert None is third.next_cursor
    whole = await shelf.page("acme", EVERYTHING, limit=5, cursor=None)
    assert (5, None) == (len(whole.memories), whole.next_cursor)


async def test_a_cursor_of_nobodys_is_refused(shelf: MemoryShelf) -> None:
    with pytest.raises(InvalidRequest, match="cursor: was not given out"):
        await shelf.page("acme", EVERYTHING, limit=2, cursor="bm9uc2Vuc2U")


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (EVERYTHING, {"a", "b", "c", "d"}),
        (MemoryFilter(agent="support"), {"a", "b", "c"}),
        (ADAS, {"a", "d"}),
        (MemoryFilter(agent="support", user="ada"), {"a"}),
        (MemoryFilter(user=""), {"c"}),
        (MemoryFilter(metadata=("topic", "tea")), {"b"}),
        (MemoryFilter(metadata=("year", 2024)), {"c"}),
        (MemoryFilter(metadata=("year", "2024")), {"d"}),
        (MemoryFilter(user="ada", metadata=("topic", "tea")), set()),
    ],
)
async def test_filters_say_which(
    shelf: MemoryShelf, where: MemoryFilter, expected: set[str]
) -> None:
    """The same in lists and searches, and never another tenant's."""
    await added(
        shelf,
        new("a", "ada"),
        new("b", "bob", metadata={"topic": "tea"}),
        new("c", metadata={"year": 2024}),
        new("d", "ada", agent="sales", metadata={"year": "2024"}),
        new("e", "ada", tenant_id="globex", metadata={"topic": "tea", "year": 2024}),
    )
    page = await shelf.page("acme", where, limit=10, cursor=None)
    assert expected == {memory.text for memory in page.memories}
    found = await shelf.search("acme", "a", where, limit=10)
    assert expected == {memory.text for memory in found}


async def test_a_search_finds_the_most_alike_first(shelf: MemoryShelf) -> None:
    """With scores that fall, and no more than asked for."""
    await added(shelf, new("the cat sleeps"), new("invoices are due in March", "bob"), new("rain"))
    found = await shelf.search("acme", "invoices due in March", EVERYTHING, limit=2)
    assert 2 == len(found)
    first, second = (memory.score or 0.0 for memory in found)
    assert "invoices are due in March" == found[0].text
    assert 1.001 > first > max(second, 0.5)


async def test_one_is_forgotten(shelf: MemoryShelf) -> None:
    """Once: it is no longer found, listed, or there to be forgotten."""
    kept, gone = await added(shelf, new("kept"), new("gone"))
    await shelf.forget("acme", gone.memory_id)
    for asking in (shelf.get, shelf.forget):
        with pytest.raises(MemoryNotFound):
            await asking("acme", gone.memory_id)
    page = await shelf.page("acme", EVERYTHING, limit=10, cursor=None)
    assert [kept] == page.memories


async def test_a_user_is_forgotten(shelf: MemoryShelf) -> None:
    """By every agent of the tenant; what is of others stays, and so does what another tenant calls so."""
    await added(shelf, new("a", "ada"), new("b", "ada", agent="sales"), new("a", "bob"), new("a"))
    [theirs] = await added(shelf, new("a", "ada", tenant_id="globex"))
    assert 2 == await shelf.forget_all("acme", ADAS)
    assert 0 == await shelf.forget_all("acme", ADAS)
    left = await shelf.page("acme", EVERYTHING, limit=10, cursor=None)
    assert {"bob", ""} == {memory.user for memory in left.memories}
    assert theirs == await shelf.get("globex", theirs.memory_id)


async def test_another_tenants_memory_is_none(shelf: MemoryShelf) -> None:
    """Whoever has learnt its id is told what he is told of one that never was."""
    [theirs] = await added(shelf, new("theirs"))
    for asking in (shelf.get, shelf.forget):
        with pytest.raises(MemoryNotFound):
            await asking("globex", theirs.memory_id)
        with pytest.raises(MemoryNotFound):
            await asking("globex", "0" * 32)
    assert [] == await shelf.search("globex", "theirs", EVERYTHING, limit=10)
    assert theirs == await shelf.get("acme", theirs.memory_id)


async def test_many_ask_at_once(shelf: MemoryShelf) -> None:
    """More than are let in together: each has its turn."""
    await asyncio.gather(*(shelf.add(new(f"note {n}")) for n in range(12)))
    page = await shelf.page("acme", EVERYTHING, limit=20, cursor=None)
    assert 12 == len(page.memories)
