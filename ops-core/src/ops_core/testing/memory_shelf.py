"""Memories in memory."""

import hashlib
import json
import math
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from ops_core.errors import FieldError, InvalidRequest, MemoryNotFound
from ops_core.memories.port import Memory, MemoryFilter, MemoryPage, NewMemory, Scalar
from ops_core.memories.request import MAX_KEYS
from ops_core.testing.pages import page_of


class InMemoryShelf:
    """`MemoryShelf` over a dictionary; compares by the words that texts have in common."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._memories: dict[tuple[str, str], Memory] = {}

    async def add(self, new: NewMemory) -> tuple[Memory, bool]:
        key = (new.tenant_id, _id(new))
        earlier = self._memories.get(key)
        metadata = {**(earlier.metadata if earlier else {}), **new.metadata}
        if len(metadata) > MAX_KEYS:
            problem = (
                f"would make {len(metadata)} keys with those that are there; {MAX_KEYS} are allowed"
            )
            raise InvalidRequest([FieldError("metadata", problem)])
        memory = Memory(
            memory_id=key[1],
            tenant_id=new.tenant_id,
            agent=new.agent,
            user=new.user,
            text=new.text,
            source=new.source,
            metadata=metadata,
            saved_at=self._clock(),
        )
        self._memories[key] = memory
        return memory, earlier is None

    async def get(self, tenant_id: str, memory_id: str) -> Memory:
        found = self._memories.get((tenant_id, memory_id))
        if found is None:
            raise MemoryNotFound(memory_id)
        return found

    async def page(
        self, tenant_id: str, where: MemoryFilter, *, limit: int, cursor: str | None
    ) -> MemoryPage:
        found = self._of(tenant_id, where)
        return MemoryPage(*page_of(found, lambda m: (m.saved_at, m.memory_id), limit, cursor))

    async def search(
        self, tenant_id: str, query: str, where: MemoryFilter, *, limit: int
    ) -> list[Memory]:
        scored = [replace(m, score=_alike(query, m.text)) for m in self._of(tenant_id, where)]
        return sorted(scored, key=lambda m: (-(m.score or 0), m.memory_id))[:limit]

    async def forget(self, tenant_id: str, memory_id: str) -> None:
        if self._memories.pop((tenant_id, memory_id), None) is None:
            raise MemoryNotFound(memory_id)

    async def forget_all(self, tenant_id: str, where: MemoryFilter) -> int:
        gone = self._of(tenant_id, where)
        for memory in gone:
            del self._memories[tenant_id, memory.memory_id]
        return len(gone)

    def _of(self, tenant_id: str, where: MemoryFilter) -> list[Memory]:
        return [
            memory
            for memory in self._memories.values()
            if memory.tenant_id == tenant_id
            and where.agent in (None, memory.agent)
            and where.user in (None, memory.user)
            and (where.metadata is None or _has(memory, *where.metadata))
        ]


def _id(new: NewMemory) -> str:
    same = " ".join(_folded(new.text).split())
    whole = json.dumps([new.tenant_id, new.agent, new.user, same])
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


def _has(memory: Memory, key: str, wanted: Scalar) -> bool:
    there = memory.metadata.get(key)
    # To Python, True is 1.
    return isinstance(there, bool) is isinstance(wanted, bool) and there == wanted


def _alike(one: str, other: str) -> float:
    """The cosine of their words."""
    a, b = (Counter(_folded(text).split()) for text in (one, other))
    length = math.sqrt(a.total() * b.total())
    return sum((a & b).values()) / length if length else 0.0


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
