"""A long-term memory that ends with its process: the fake, and what small programs need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agentkit.clock import Clock, SystemClock
from agentkit.errors import UsageError
from agentkit.memory.admission import (
    Record,
    checked_ids,
    checked_k,
    checked_page,
    checked_text,
    conditions,
    merged,
    records,
)
from agentkit.memory.browsing import KeptEntry, Place, Scope
from agentkit.memory.embedding import Embedder, HashingEmbedder, Vector
from agentkit.memory.long_term import MemoryEntry, MemoryMatch, Namespace, Scalar, Where


@dataclass(frozen=True, slots=True)
class _Kept:
    namespace: Namespace
    record: Record
    vector: Vector


class InMemoryLongTermMemory:
    """Implements `BrowsableMemory` in dictionaries; compares the query with every entry."""

    def __init__(self, embedder: Embedder | None = None, *, clock: Clock | None = None) -> None:
        self._embedder = HashingEmbedder() if embedder is None else embedder
        self._clock = SystemClock() if clock is None else clock
        self._namespaces: dict[str, dict[str, _Kept]] = {}
        self._closed = False

    async def add(self, namespace: Namespace, entries: Sequence[MemoryEntry]) -> tuple[str, ...]:
        """See `LongTermMemory`."""
        self._check_open()
        new = records(namespace, entries, self._clock)
        vectors = await self._embedder.embed([record.text for record in new])
        kept = self._namespaces.setdefault(namespace.key, {})
        # All are made before one is kept: what is refused must not be half there.
        made = {
            record.id: _Kept(
                namespace,
                merged(kept[record.id].record.metadata, record) if record.id in kept else record,
                vector,
            )
            for record, vector in zip(new, vectors, strict=True)
        }
        kept.update(made)
        return tuple(made)

    async def search(
        self, namespace: Namespace, query: str, k: int = 5, where: Where | None = None
    ) -> tuple[MemoryMatch, ...]:
        """See `LongTermMemory`."""
        self._check_open()
        wanted, k = conditions(where), checked_k(k)
        [asked] = await self._embedder.embed([checked_text(query, "The query")])
        found = [
            _match(kept.record, _similarity(asked, kept.vector))
            for kept in self._namespaces.get(namespace.key, {}).values()
            if _fits(kept.record, wanted)
        ]
        return tuple(sorted(found, key=lambda match: (-match.score, match.id))[:k])

    async def forget(self, namespace: Namespace, ids: Sequence[str]) -> int:
        """See `LongTermMemory`."""
        self._check_open()
        kept = self._namespaces.get(namespace.key, {})
        return sum(kept.pop(each, None) is not None for each in checked_ids(ids))

    async def forget_all(self, namespace: Namespace) -> int:
        """See `LongTermMemory`."""
        self._check_open()
        return len(self._namespaces.pop(namespace.key, {}))

    async def keep(self, namespace: Namespace, entry: MemoryEntry) -> tuple[KeptEntry, bool]:
        """See `BrowsableMemory`."""
        earlier = set(self._namespaces.get(namespace.key, ()))
        [added] = await self.add(namespace, [entry])
        return _entry(self._namespaces[namespace.key][added]), added not in earlier

    async def entry(self, tenant: str, entry_id: str) -> KeptEntry | None:
        """See `BrowsableMemory`."""
        return next(
            (_entry(kept) for kept in self._in(Scope(tenant)) if kept.record.id == entry_id), None
        )

    async def page(
        self,
        scope: Scope,
        *,
        limit: int = 50,
        before: Place | None = None,
        where: Where | None = None,
    ) -> tuple[KeptEntry, ...]:
        """See `BrowsableMemory`."""
        wanted, limit = conditions(where), checked_page(limit)
        found = [_entry(kept) for kept in self._in(scope) if _fits(kept.record, wanted)]
        after = [entry for entry in found if before is None or entry.place < before]
        return tuple(sorted(after, key=lambda entry: entry.place, reverse=True)[:limit])

    async def find(
        self, scope: Scope, query: str, k: int = 5, where: Where | None = None
    ) -> tuple[KeptEntry, ...]:
        """See `BrowsableMemory`."""
        wanted, k = conditions(where), checked_k(k)
        [asked] = await self._embedder.embed([checked_text(query, "The query")])
        found = [
            (-_similarity(asked, kept.vector), kept.record.id, kept)
            for kept in self._in(scope)
            if _fits(kept.record, wanted)
        ]
        best = sorted(found, key=lambda each: each[:2])[:k]
        return tuple(replace(_entry(kept), score=-unlike) for unlike, _, kept in best)

    async def forget_in(self, scope: Scope, ids: Sequence[str] | None = None) -> int:
        """See `BrowsableMemory`."""
        asked = None if ids is None else checked_ids(ids)
        gone = [kept for kept in self._in(scope) if asked is None or kept.record.id in asked]
        for kept in gone:
            del self._namespaces[kept.namespace.key][kept.record.id]
        return len(gone)

    async def aclose(self) -> None:
        """See `LongTermMemory`."""
        self._closed = True
        self._namespaces.clear()

    def _in(self, scope: Scope) -> list[_Kept]:
        self._check_open()
        every = [kept for there in self._namespaces.values() for kept in there.values()]
        return [kept for kept in every if kept.namespace in scope]

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError("This long-term memory is closed: make another one.")


def _fits(record: Record, wanted: dict[str, list[Scalar]]) -> bool:
    return all(
        any(_same(record.metadata.get(key), value) for value in values)
        for key, values in wanted.items()
    )


def _same(there: Scalar | None, wanted: Scalar) -> bool:
    # To Python, True is 1; a store keeps them apart.
    return isinstance(there, bool) is isinstance(wanted, bool) and there == wanted


def _similarity(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _match(record: Record, score: float) -> MemoryMatch:
    return MemoryMatch(
        record.id, record.text, score, record.source, record.saved_at, record.metadata
    )


def _entry(kept: _Kept) -> KeptEntry:
    record = kept.record
    return KeptEntry(
        record.id, kept.namespace, record.text, record.source, record.saved_at, record.metadata
    )
