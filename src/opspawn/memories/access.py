"""How a process with a door reaches memories: late, a few requests at once, and none of them for ever."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Final, TypeVar

from ops_core.errors import MemoriesNotConfigured, MemoriesUnavailable
from ops_core.memories import Memory, MemoryFilter, MemoryPage, MemoryShelf, NewMemory, NoShelf
from opspawn.settings import Settings

if TYPE_CHECKING:
    from agentkit import ChromaLongTermMemory

T = TypeVar("T")

#: Requests that a process lets Chroma have at once: each takes a thread for as long as it lasts, and those
#: are what names of hosts are looked up on, too.
AT_ONCE: Final = 3

#: How long a request may wait for its turn and for its answer together. Seconds.
PATIENCE_S: Final = 10.0

_NONE: Final = "set AGENTKIT_LTM_PROVIDER=chroma, for its workers too, and start it again."

_IN_FOLDER: Final = (
    "AGENTKIT_LTM_CHROMA_URL is not set, and a folder belongs to one process, where agents run "
    "(`opspawn up`): start a Chroma server (`chroma run`), and name it to workers and doors."
)


@asynccontextmanager
async def shelf_of(settings: Settings) -> AsyncIterator[MemoryShelf]:
    """For a process that runs no agents: nothing is imported and opened before the first request.

    What is wrong with the settings is told to whoever asks, and keeps no door closed.
    """
    if settings.ltm_provider == "none":
        yield NoShelf(_NONE)
        return
    if settings.memory_in_folder:
        yield NoShelf(_IN_FOLDER)
        return
    async with AsyncExitStack() as closing:
        shelf = PatientShelf(lambda: _remembered(settings, closing))
        closing.push_async_callback(shelf.aclose)
        yield shelf


@asynccontextmanager
async def shared_shelf(memory: "ChromaLongTermMemory | None") -> AsyncIterator[MemoryShelf]:
    """For the process that runs agents, too: over the memory that they use, which is theirs to close."""
    if memory is None:
        yield NoShelf(_NONE)
        return
    shared = memory

    async def over_it() -> MemoryShelf:
        return await asyncio.to_thread(_over, shared)

    shelf = PatientShelf(over_it)
    try:
        yield shelf
    finally:
        await shelf.aclose()


class PatientShelf:
    """`MemoryShelf` that is made by its first request.

    A request that is given up is answered with `MemoriesUnavailable`; what it began goes on, in its place
    among those at once, because nothing can stop a thread.
    """

    def __init__(
        self, make: Callable[[], Awaitable[MemoryShelf]], *, patience_s: float = PATIENCE_S
    ) -> None:
        self._make = make
        self._made: MemoryShelf | None = None
        self._making = asyncio.Lock()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._under_way = set[asyncio.Task[object]]()
        self._patience_s = patience_s

    async def add(self, new: NewMemory) -> tuple[Memory, bool]:
        return await self._do(lambda shelf: shelf.add(new))

    async def get(self, tenant_id: str, memory_id: str) -> Memory:
        return await self._do(lambda shelf: shelf.get(tenant_id, memory_id))

    async def page(
        self, tenant_id: str, where: MemoryFilter, *, limit: int, cursor: str | None
    ) -> MemoryPage:
        return await self._do(
            lambda shelf: shelf.page(tenant_id, where, limit=limit, cursor=cursor)
        )

    async def search(
        self, tenant_id: str, query: str, where: MemoryFilter, *, limit: int
    ) -> list[Memory]:
        return await self._do(lambda shelf: shelf.search(tenant_id, query, where, limit=limit))

    async def forget(self, tenant_id: str, memory_id: str) -> None:
        return await self._do(lambda shelf: shelf.forget(tenant_id, memory_id))

    async def forget_all(self, tenant_id: str, where: MemoryFilter) -> int:
        return await self._do(lambda shelf: shelf.forget_all(tenant_id, where))

    async def aclose(self) -> None:
        """Waits for nothing: what is under way was given up, or belongs to a door that is closed."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _do(self, ask: Callable[[MemoryShelf], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._patience_s):
                await self._places.acquire()
                task = asyncio.create_task(self._in_place(ask))
                self._under_way.add(task)
                task.add_done_callback(self._ended)
                return await asyncio.shield(task)
        except TimeoutError:
            raise MemoriesUnavailable from None

    async def _in_place(self, ask: Callable[[MemoryShelf], Awaitable[T]]) -> T:
        async with self._making:
            if self._made is None:
                self._made = await self._make()
            shelf = self._made
        return await ask(shelf)

    def _ended(self, task: asyncio.Task[T]) -> None:
        self._places.release()
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited for it has it; nobody else is told that nobody did


async def _remembered(settings: Settings, closing: AsyncExitStack) -> MemoryShelf:
    """Over the memory that the settings name. Raises `MemoriesNotConfigured`."""
    # First on a thread: it takes longer than a request may hold up all others.
    await asyncio.to_thread(import_module, "opspawn.agents.memory")
    from opspawn.agents.memory import MemoryUnusable, remembering

    try:
        memory = await closing.enter_async_context(remembering(settings, now=False))
    except MemoryUnusable as error:
        raise MemoriesNotConfigured(f"AGENTKIT_LTM_PROVIDER: {error}") from None
    assert memory is not None, "the settings name one"
    return await asyncio.to_thread(_over, memory)


def _over(memory: "ChromaLongTermMemory") -> MemoryShelf:
    """For a thread, as it imports."""
    from opspawn.memories.shelf import RememberedShelf

    return RememberedShelf(memory, memory.open)
