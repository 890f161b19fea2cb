"""What every long-term memory does: the fake, Chroma in a folder, Chroma on a server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentkit import LongTermMemory, MemoryEntry, Namespace
from agentkit.errors import UsageError
from agentkit.memory import Scalar
from agentkit.memory.admission import MAX_BATCH, MAX_KEYS, MAX_TEXT
from agentkit.testing import FrozenClock

ACME = Namespace("acme", "support", "ada")

STRANGERS = [
    Namespace("globex", "support", "ada"),
    Namespace("acme", "sales", "ada"),
    Namespace("acme", "support", "bob"),
    Namespace("acme", "support"),
    Namespace("acme", "supportada"),
    Namespace("acme"),
]


def notes(*texts: str, **metadata: Any) -> list[MemoryEntry]:
    return [MemoryEntry(text, "agent support", metadata) for text in texts]


async def texts(memory: LongTermMemory, query: str, k: int = 10, **where: Any) -> list[str]:
    return [match.text for match in await memory.search(ACME, query, k, where)]


async def test_the_most_alike_comes_first(memory: LongTermMemory) -> None:
    """A query finds what is like it, with a score that says how much."""
    await memory.add(ACME, notes("the cat sleeps", "invoices are due in March", "the dog barks"))
    first, *others = await memory.search(ACME, "when are invoices due")
    assert "invoices are due in March" == first.text
    assert all(0.3 < first.score <= 1.0 and match.score < first.score for match in others)
    assert 2 == len(others)


async def test_the_same_text_scores_one(memory: LongTermMemory) -> None:
    """Nothing is more like a text than itself."""
    await memory.add(ACME, notes("the cat sleeps"))
    [match] = await memory.search(ACME, "the cat sleeps")
    assert 1.0 == pytest.approx(match.score, abs=1e-5)


async def test_no_more_than_asked_for(memory: LongTermMemory) -> None:
    """The best `k`; all there are when they are fewer; none of nothing."""
    assert () == await memory.search(ACME, "cat")
    await memory.add(ACME, notes(*(f"cat number {number}" for number in range(9))))
    assert 4 == len(await memory.search(ACME, "cat", 4))
    assert 9 == len(await memory.search(ACME, "cat", 100))


async def test_what_was_saved_comes_back_whole(memory: LongTermMemory) -> None:
    """Text, source, moment and metadata of every type; and a label that is never trusted."""
    metadata: dict[str, Scalar] = {
        "topic": "pets",
        "n": 3,
        "weight": 4.5,
        "kept": True,
        "empty": "",
    }
    moment = datetime(2025, 5, 6, 7, 8, 9, tzinfo=UTC)
    text = "  Ünïcode 猫 🐈\nsecond line  "
    [saved] = await memory.add(ACME, [MemoryEntry(text, "user ada", metadata, moment)])
    [match] = await memory.search(ACME, "猫")
    assert (saved, text.strip(), "user ada") == (match.id, match.text, match.source)
    assert (moment, metadata) == (match.saved_at, dict(match.metadata))
    assert {str: 2, int: 1, float: 1, bool: 1} == {
        kind: sum(type(value) is kind for value in match.metadata.values())
        for kind in (str, int, float, bool)
    }
    assert ("memory", "user ada", False) == (
        match.label.source,
        match.label.name,
        match.label.trusted,
    )


async def test_metadata_narrows_a_search(memory: LongTermMemory) -> None:
    """A value, one of several, and several keys at once."""
    await memory.add(ACME, notes("the red cat", topic="pets", year=2024))
    await memory.add(ACME, notes("the grey cat", topic="pets", year=2025))
    await memory.add(ACME, notes("the cat burglar", topic="crime", year=2025))
    assert {"the red cat", "the grey cat"} == set(await texts(memory, "cat", topic="pets"))
    assert ["the grey cat"] == await texts(memory, "cat", topic="pets", year=2025)
    assert 3 == len(await texts(memory, "cat", topic=["pets", "crime"]))
    assert ["the cat burglar"] == await texts(memory, "cat", topic=["crime", "news"])
    assert [] == await texts(memory, "cat", topic="weather")
    assert [] == await texts(memory, "cat", unheard_of=1)


async def test_values_of_other_types_are_other_values(memory: LongTermMemory) -> None:
    """1 and 1.0 are the same, True and "1" are others; whether one is asked for or several."""
    for text, value in {"int": 1, "float": 1.0, "bool": True, "text": "1"}.items():
        await memory.add(ACME, notes(f"the {text} cat", value=value))
    numbers = {"the int cat", "the float cat"}
    for asked in (1, 1.0, [1, 7], [1.0, 7.5], [1, 7.5]):
        assert numbers == set(await texts(memory, "cat", value=asked))
    for flag in (True, [True], [True, False]):
        assert ["the bool cat"] == await texts(memory, "cat", value=flag)
    for word in ("1", ["1", "True"], [str(number) for number in range(500)]):
        assert ["the text cat"] == await texts(memory, "cat", value=word)


@pytest.mark.parametrize("stranger", STRANGERS, ids=str)
async def test_a_namespace_is_closed(memory: LongTermMemory, stranger: Namespace) -> None:
    """Nothing of one is found from another, and no id deletes anything there."""
    ids = await memory.add(ACME, notes("the cat sleeps"))
    assert () == await memory.search(stranger, "the cat sleeps")
    assert 0 == await memory.forget(stranger, ids)
    assert 0 == await memory.forget_all(stranger)
    assert ["the cat sleeps"] == await texts(memory, "cat")


async def test_the_same_text_in_two_namespaces_is_two_entries(memory: LongTermMemory) -> None:
    """Neither is found, changed or forgotten through the other."""
    [ours] = await memory.add(ACME, notes("the cat sleeps", whose="ours"))
    [theirs] = await memory.add(STRANGERS[0], notes("the cat sleeps", whose="theirs"))
    assert ours != theirs
    assert 1 == await memory.forget(ACME, [ours, theirs])
    [left] = await memory.search(STRANGERS[0], "cat")
    assert {"whose": "theirs"} == dict(left.metadata)


async def test_strangers_do_not_hide_ours(memory: LongTermMemory) -> None:
    """However many entries of others are more alike, our own are all found."""
    others = [MemoryEntry(f"the cat sleeps, night {number}") for number in range(400)]
    await memory.add(STRANGERS[0], others)
    await memory.add(ACME, notes("a kitten naps", "birds sing", "the sea is deep"))
    assert 3 == len(await memory.search(ACME, "the cat sleeps", 3))


async def test_a_text_is_remembered_once(memory: LongTermMemory, clock: FrozenClock) -> None:
    """Said again, but for case, width and blanks: one entry, with the new words over the old."""
    first = await memory.add(ACME, notes("Ada likes  Tea", topic="drinks", seen=1))
    clock.advance(60)
    again = [MemoryEntry("ada LIKES ｔｅａ", "user ada", {"seen": 2})]
    assert first == await memory.add(ACME, again)
    [match] = await memory.search(ACME, "what does Ada like")
    assert ("ada LIKES ｔｅａ", "user ada") == (match.text, match.source)
    assert {"topic": "drinks", "seen": 2} == dict(match.metadata)
    assert clock.now() == match.saved_at


async def test_a_text_is_remembered_once_in_one_call(memory: LongTermMemory) -> None:
    """The last one counts; its metadata go over those of the first."""
    ids = await memory.add(ACME, [*notes("Tea", a=1, b=1), *notes("milk"), *notes("tea", b=2)])
    assert 2 == len(set(ids)) == len(ids)
    found = {match.text: dict(match.metadata) for match in await memory.search(ACME, "tea milk")}
    assert {"tea": {"a": 1, "b": 2}, "milk": {}} == found


async def test_adding_at_the_same_time(memory: LongTermMemory) -> None:
    """Twenty calls with the same text and others leave each text once."""
    await asyncio.gather(*(memory.add(ACME, notes("same", f"own {n}")) for n in range(20)))
    assert 21 == len(await memory.search(ACME, "same own", 100))


async def test_to_forget(memory: LongTermMemory) -> None:
    """What is forgotten is not found; what was not there is not counted."""
    ids = await memory.add(ACME, notes("one cat", "two cats", "three cats"))
    assert 0 == await memory.forget(ACME, [])
    assert 0 == await memory.forget(ACME, ["unknown"])
    assert 2 == await memory.forget(ACME, [ids[0], ids[1], ids[1], "unknown"])
    assert ["three cats"] == await texts(memory, "cats")
    assert 0 == await memory.forget(ACME, [ids[0]])


async def test_to_forget_everything(memory: LongTermMemory) -> None:
    """All of the namespace, and only of it."""
    await memory.add(ACME, notes("one", "two", "three"))
    await memory.add(STRANGERS[0], notes("four"))
    assert 3 == await memory.forget_all(ACME)
    assert () == await memory.search(ACME, "one two three")
    assert 1 == len(await memory.search(STRANGERS[0], "four"))


async def test_nothing_to_add(memory: LongTermMemory) -> None:
    """No entries, no ids."""
    assert () == await memory.add(ACME, [])


async def test_signs_that_no_store_can_hold(memory: LongTermMemory) -> None:
    """Half a sign and NUL, which a model may write, are not kept; the rest is."""
    await memory.add(ACME, [MemoryEntry("cat\0 \ud83d!", "so\0urce", {"k": "\ud83d"})])
    [match] = await memory.search(ACME, "cat \ud83d")
    assert ("cat ?!", "source", {"k": "?"}) == (match.text, match.source, dict(match.metadata))


async def test_a_text_of_signs_alone(memory: LongTermMemory) -> None:
    """What has no word in it is remembered and found too."""
    await memory.add(ACME, notes("!!!", "???"))
    assert "???" == (await texts(memory, "???"))[0]


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (notes(""), "has no text"),
        (notes(" \n\0"), "has no text"),
        (notes("x" * (MAX_TEXT + 1)), "4001 characters"),
        (notes(*map(str, range(MAX_BATCH + 1))), "502 entries"),
        ([MemoryEntry("a", "s" * 501)], "source of an entry has 501"),
        (notes("a", k="v" * 501), "Metadata 'k' has 501"),
        (notes("a", k=float("nan")), "Metadata 'k'"),
        (notes("a", k=2**60), "Metadata 'k'"),
        (notes("a", k=None), "Metadata 'k'"),
        (notes("a", k=["list"]), "Metadata 'k'"),
        (notes("a", agentkit_namespace="forged"), "Metadata key 'agentkit_namespace'"),
        ([MemoryEntry("a", "", {"": 1})], "Metadata key ''"),
        ([MemoryEntry("a", "", {"$and": 1})], r"Metadata key '\$and'"),
        (notes("a", **{f"k{n}": n for n in range(MAX_KEYS + 1)}), "17 metadata keys"),
    ],
)
async def test_what_is_over_the_limits_is_refused(
    memory: LongTermMemory, entries: Sequence[MemoryEntry], said: str
) -> None:
    """All of the call, and the caller reads which limit it is."""
    with pytest.raises(UsageError, match=said):
        await memory.add(ACME, [MemoryEntry("fine"), *entries])
    assert () == await memory.search(ACME, "fine")


async def test_metadata_do_not_grow_without_end(memory: LongTermMemory) -> None:
    """What is merged into one entry is bounded as what is given at once."""
    await memory.add(ACME, notes("tea", **{f"k{n}": n for n in range(MAX_KEYS)}))
    with pytest.raises(UsageError, match="17 metadata keys"):
        await memory.add(ACME, notes("milk", "tea", other=1))
    assert ["tea"] == await texts(memory, "tea milk")


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ({"query": " "}, "The query has no text"),
        ({"query": "x" * (MAX_TEXT + 1)}, "The query has 4001"),
        ({"query": "a", "k": 0}, "k=0"),
        ({"query": "a", "k": 101}, "k=101"),
        ({"query": "a", "where": {"agentkit_namespace": "x"}}, "agentkit_namespace"),
        ({"query": "a", "where": {"$or": "x"}}, r"\$or"),
        ({"query": "a", "where": {"k": []}}, "1 to 500 values"),
        ({"query": "a", "where": {"k": [1, "a"]}}, "values of one type"),
        ({"query": "a", "where": {"k": {"$ne": ""}}}, "Metadata 'k'"),
    ],
)
async def test_a_search_that_cannot_be_meant(
    memory: LongTermMemory, search: dict[str, Any], said: str
) -> None:
    """It is refused, so that no condition of a store's own can widen a namespace."""
    with pytest.raises(UsageError, match=said):
        await memory.search(ACME, **search)


async def test_a_closed_memory(memory: LongTermMemory) -> None:
    """To close it twice is no harm; to use it is told."""
    await memory.add(ACME, notes("tea"))
    await memory.aclose()
    await memory.aclose()
    with pytest.raises(UsageError, match="closed"):
        await memory.search(ACME, "tea")
    with pytest.raises(UsageError, match="closed"):
        await memory.add(ACME, notes("tea"))


def test_a_namespace_needs_a_tenant() -> None:
    """A forgotten tenant must not become everybody's."""
    with pytest.raises(UsageError, match="name the tenant"):
        Namespace(" ")


async def test_the_moment_is_now_unless_given(memory: LongTermMemory, clock: FrozenClock) -> None:
    """The clock of the store says when something was saved."""
    clock.advance(timedelta(days=1).total_seconds())
    await memory.add(ACME, notes("tea"))
    [match] = await memory.search(ACME, "tea")
    assert clock.now() == match.saved_at
