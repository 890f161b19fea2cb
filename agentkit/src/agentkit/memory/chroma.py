"""Long-term memory in Chroma: in a folder of one process, or on a server that many share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from agentkit.clock import Clock, SystemClock
from agentkit.errors import UsageError
from agentkit.memory import chroma_browsing as browsing
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
from agentkit.memory.chroma_collection import opened
from agentkit.memory.chroma_errors import translate
from agentkit.memory.chroma_places import ChromaPlace, FolderPlace, ServerPlace
from agentkit.memory.chroma_wire import (
    kept,
    matches,
    metadata_of,
    microseconds,
    rows,
    where_of,
    within,
)
from agentkit.memory.embedding import Embedder, HashingEmbedder
from agentkit.memory.long_term import MemoryEntry, MemoryMatch, Namespace, Where

T = TypeVar("T")

DEFAULT_COLLECTION = "agentkit"

TIMEOUT_S = 30.0
"""For one request to a server."""


class ChromaLongTermMemory:
    """Implements `BrowsableMemory`. Made by `persistent` or `http`; opened by `open`, or when needed.

    The collection records which embedder made its vectors, and another one is refused. What blocks
    is done on threads: a search that is cancelled leaves its thread to finish by itself.
    """

    def __init__(
        self, place: ChromaPlace, embedder: Embedder | None, collection: str, clock: Clock | None
    ) -> None:
        self._place = place
        self._embedder = HashingEmbedder() if embedder is None else embedder
        self._name = collection
        self._clock = SystemClock() if clock is None else clock
        self._collection: Any = None
        self._opening = asyncio.Lock()
        self._closed = False

    @classmethod
    def persistent(
        cls,
        path: str | Path,
        *,
        embedder: Embedder | None = None,
        collection: str = DEFAULT_COLLECTION,
        clock: Clock | None = None,
    ) -> Self:
        """In a folder, for this process alone: to open it is a UsageError while another one has it."""
        return cls(FolderPlace(path), embedder, collection, clock)

    @classmethod
    def http(
        cls,
        host: str,
        port: int = 8000,
        *,
        ssl: bool = False,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
        embedder: Embedder | None = None,
        collection: str = DEFAULT_COLLECTION,
        clock: Clock | None = None,
    ) -> Self:
        """On a server, `chroma run`; `headers` may hold its token and go nowhere else."""
        return cls(ServerPlace(host, port, ssl, headers, timeout_s), embedder, collection, clock)

    async def open(self) -> None:
        """Open it now, so that what is wrong with it is said now."""
        await self._opened()

    async def add(self, namespace: Namespace, entries: Sequence[MemoryEntry]) -> tuple[str, ...]:
        """See `LongTermMemory`."""
        return tuple(record.id for record, _ in await self._added(namespace, entries))

    async def search(
        self, namespace: Namespace, query: str, k: int = 5, where: Where | None = None
    ) -> tuple[MemoryMatch, ...]:
        """See `LongTermMemory`."""
        condition = where_of(namespace, conditions(where))
        limit = checked_k(k)
        vectors = await self._embedder.embed([checked_text(query, "The query")])
        found = await self._do(
            lambda collection: collection.query(
                query_embeddings=vectors,
                n_results=limit,
                where=condition,
                include=["documents", "metadatas", "distances"],
            )
        )
        return matches(found)

    async def forget(self, namespace: Namespace, ids: Sequence[str]) -> int:
        """See `LongTermMemory`."""
        asked = checked_ids(ids)
        if not asked:
            return 0
        condition = where_of(namespace, {})
        return await self._do(lambda collection: _delete(collection, condition, asked))

    async def forget_all(self, namespace: Namespace) -> int:
        """See `LongTermMemory`."""
        condition = where_of(namespace, {})
        return await self._do(lambda collection: _delete(collection, condition, None))

    async def keep(self, namespace: Namespace, entry: MemoryEntry) -> tuple[KeptEntry, bool]:
        """See `BrowsableMemory`."""
        [(record, is_new)] = await self._added(namespace, [entry])
        columns = rows(namespace, [record])
        [now_kept] = map(kept, columns["ids"], columns["documents"], columns["metadatas"])
        return now_kept, is_new

    async def entry(self, tenant: str, entry_id: str) -> KeptEntry | None:
        """See `BrowsableMemory`."""
        condition, [asked] = within(Scope(tenant), {}), checked_ids([entry_id])
        return await self._do(lambda collection: browsing.one(collection, condition, asked))

    async def page(
        self,
        scope: Scope,
        *,
        limit: int = 50,
        before: Place | None = None,
        where: Where | None = None,
    ) -> tuple[KeptEntry, ...]:
        """See `BrowsableMemory`."""
        condition, most = within(scope, conditions(where)), checked_page(limit)
        now_us = microseconds(self._clock.now())
        return await self._do(
            lambda collection: browsing.newest(collection, condition, most, before, now_us)
        )

    async def find(
        self, scope: Scope, query: str, k: int = 5, where: Where | None = None
    ) -> tuple[KeptEntry, ...]:
        """See `BrowsableMemory`."""
        condition, limit = within(scope, conditions(where)), checked_k(k)
        vectors = await self._embedder.embed([checked_text(query, "The query")])
        return await self._do(
            lambda collection: browsing.alike(collection, condition, vectors, limit)
        )

    async def forget_in(self, scope: Scope, ids: Sequence[str] | None = None) -> int:
        """See `BrowsableMemory`."""
        asked = None if ids is None else checked_ids(ids)
        if asked == []:
            return 0
        return await self._do(lambda collection: _delete(collection, within(scope, {}), asked))

    async def aclose(self) -> None:
        """See `LongTermMemory`."""
        async with self._opening:
            self._closed = True
            self._collection = None
            await asyncio.to_thread(self._place.close)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _added(
        self, namespace: Namespace, entries: Sequence[MemoryEntry]
    ) -> list[tuple[Record, bool]]:
        new = records(namespace, entries, self._clock)
        if not new:
            return []
        vectors = await self._embedder.embed([record.text for record in new])
        return await self._do(lambda collection: _put(collection, namespace, new, vectors))

    async def _do(self, work: Callable[[Any], T]) -> T:
        collection = await self._opened()
        with self._translated():
            return await asyncio.to_thread(work, collection)

    async def _opened(self) -> Any:
        async with self._opening:
            if self._closed:
                raise UsageError("This long-term memory is closed: make another one.")
            if self._collection is None:
                with self._translated():
                    self._collection = await asyncio.to_thread(self._open)
            return self._collection

    def _open(self) -> Any:
        try:
            return opened(self._place.open(), self._name, self._embedder)
        except BaseException:  # the folder is locked for this process: never without an owner
            self._place.close()
            raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        # Chroma's client lets through the errors of whatever carries it: sockets, HTTP, SQLite.
        except Exception as error:
            raise translate(error, self._place.name, self._name) from error


def _put(
    collection: Any, namespace: Namespace, new: list[Record], vectors: list[list[float]]
) -> list[tuple[Record, bool]]:
    """The records as they are kept, and whether each is new."""
    there = collection.get(ids=[record.id for record in new], include=["metadatas"])
    earlier = dict(zip(there["ids"], map(metadata_of, there["metadatas"]), strict=True))
    whole = [
        merged(earlier[record.id], record) if record.id in earlier else record for record in new
    ]
    collection.upsert(embeddings=vectors, **rows(namespace, whole))
    return [(record, record.id not in earlier) for record in whole]


def _delete(collection: Any, condition: dict[str, Any], ids: list[str] | None) -> int:
    # The condition is part of it: an id from elsewhere, however it was learnt, deletes nothing here.
    done = collection.delete(ids=ids, where=condition)
    return int(done["deleted"])
