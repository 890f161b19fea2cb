"""A long-term memory that ends with its process: the fake, and what small programs need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agentkit.clock import Clock, SystemClock
from agentkit.errors import UsageError
from agentkit.memory.admission import (
    Record,
    checked_ids,
    checked_k,
    checked_text,
    conditions,
    merged,
    records,
)
from agentkit.memory.embedding import Embedder, HashingEmbedder, Vector
from agentkit.memory.long_term import MemoryEntry, MemoryMatch, Namespace, Scalar, Where


@dataclass(frozen=True, slots=True)
class _Kept:
    record: Record
    vector: Vector


class InMemoryLongTermMemory:
    """Implements `LongTermMemory` in dictionaries; compares the query with every entry."""

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

    async def aclose(self) -> None:
        """See `LongTermMemory`."""
        self._closed = True
        self._namespaces.clear()

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
