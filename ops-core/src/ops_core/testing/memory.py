"""The in-memory store: the fake of all store ports, held to the same suite as PostgreSQL.

One event loop, no awaits inside a method: each call is atomic, as a transaction is. Nothing is durable.
"""

from ops_core.testing.memory_asks import MemoryAskStore
from ops_core.testing.memory_doors import MemoryTaskStore
from ops_core.testing.memory_upkeep import MemoryUpkeepStore
from ops_core.testing.memory_worker import MemoryWorkerStore


class MemoryStore(MemoryTaskStore, MemoryWorkerStore, MemoryUpkeepStore, MemoryAskStore):
    """`TaskStore`, `WorkerStore`, `UpkeepStore` and `AskStore` over one state."""
