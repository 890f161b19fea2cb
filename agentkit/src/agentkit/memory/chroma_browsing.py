"""What is done with a collection across namespaces. Everything here blocks: it belongs on a thread."""

from __future__ import annotations

from typing import Any

from agentkit.memory.browsing import KeptEntry, Place
from agentkit.memory.chroma_wire import EVER_US, kept, microseconds, saved_at, saved_between

_CROWD = 1_000
"""Entries that are looked at together, to sort them: Chroma does not."""

_DAY_US = 86_400_000_000

_WIDER = 16
"""Each window is so many times as long as the one before, or a crowded one so many times shorter."""


def newest(
    collection: Any, condition: dict[str, Any], limit: int, before: Place | None, now_us: int
) -> tuple[KeptEntry, ...]:
    """The newest entries under the condition that come after `before`.

    Looks back from there through windows of time, each of which holds few enough to be sorted, until there
    are enough or time has no more.
    """
    end = EVER_US if before is None else microseconds(before.saved_at)
    span, found = _DAY_US, list[Place]()
    while len(found) < limit and end > -EVER_US:
        start = min(end, now_us) - span
        start = start if start > 0 else -EVER_US
        window = saved_between(condition, start, end)
        # The shortest window is taken whole: there is nothing left to divide.
        places = _places(collection, window, _CROWD + 1 if span else None)
        if span and len(places) > _CROWD:
            span //= _WIDER
            continue
        found += sorted((p for p in places if before is None or p < before), reverse=True)
        end, span = start - 1, max(span, 1) * _WIDER
    return _entries(collection, [place.id for place in found[:limit]])


def one(collection: Any, condition: dict[str, Any], id_: str) -> KeptEntry | None:
    """The entry of that id, if it is under the condition."""
    found = collection.get(ids=[id_], where=condition, include=["documents", "metadatas"])
    return next(map(kept, found["ids"], found["documents"], found["metadatas"]), None)


def alike(
    collection: Any, condition: dict[str, Any], vectors: list[list[float]], k: int
) -> tuple[KeptEntry, ...]:
    """The entries most like the vector, best first."""
    found = collection.query(
        query_embeddings=vectors,
        n_results=k,
        where=condition,
        include=["documents", "metadatas", "distances"],
    )
    columns = (found[name][0] for name in ("ids", "documents", "metadatas", "distances"))
    return tuple(map(kept, *columns))


def _places(collection: Any, condition: dict[str, Any], most: int | None) -> list[Place]:
    found = collection.get(where=condition, limit=most, include=["metadatas"])
    return [
        Place(saved_at(stored), each)
        for each, stored in zip(found["ids"], found["metadatas"], strict=True)
    ]


def _entries(collection: Any, ids: list[str]) -> tuple[KeptEntry, ...]:
    """The entries of these ids, in that order, but for those that were forgotten meanwhile."""
    if not ids:
        return ()
    found = collection.get(ids=ids, include=["documents", "metadatas"])
    there = {e.id: e for e in map(kept, found["ids"], found["documents"], found["metadatas"])}
    return tuple(there[each] for each in ids if each in there)
