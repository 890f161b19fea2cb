"""What agents remember, for asyncio: `client.memories`."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, TypeAlias, TypeVar

from opspawn.client import memories
from opspawn.client.async_resources import Resource
from opspawn.client.memories import Memory, Scalar

T = TypeVar("T")
# `list` is a method here.
Items: TypeAlias = list[T]


class AsyncMemories(Resource):
    """Of the tenant's agents and their users. Every method raises `OpspawnError`."""

    async def add(
        self,
        text: str,
        *,
        agent: str | None = None,
        user: str | None = None,
        metadata: Mapping[str, Scalar] | None = None,
    ) -> Memory:
        """For that agent to find, in tasks for that user; the same text once more is the same memory."""
        fields = {"agent": agent, "user": user, "metadata": metadata}
        return await self._run(memories.add(text, fields))

    async def get(self, memory_id: str) -> Memory:
        return await self._run(memories.memory(memory_id))

    def list(self, **where: Any) -> AsyncGenerator[Memory, None]:
        """Newest first: `agent`, `user`, `metadata` (`key:value`), `limit` (of a page)."""
        return self._pages(memories.memories(where))

    async def search(self, query: str, **where: Any) -> Items[Memory]:
        """The most alike first: `agent`, `user`, `metadata`, `limit` (50 unless given, at most 100)."""
        return await self._run(memories.search(query, where))

    async def delete(self, memory_id: str) -> None:
        await self._run(memories.remove(memory_id))

    async def forget(self, *, agent: str | None = None, user: str | None = None) -> int:
        """Everything of that user, of that agent, or of both; how many there were."""
        return await self._run(memories.forget_all(agent, user))
