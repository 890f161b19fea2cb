"""The in-memory store: the fake of all three store ports, held to the same suite as PostgreSQL.

One event loop, no awaits inside a method: each call is atomic, as a transaction is. Nothing is durable.
"""

from ops_core.testing.memory_doors import MemoryTaskStore
from ops_core.testing.memory_upkeep import MemoryUpkeepStore
from ops_core.testing.memory_worker import MemoryWorkerStore


class MemoryStore(MemoryTaskStore, MemoryWorkerStore, MemoryUpkeepStore):
    """`TaskStore`, `WorkerStore` and `UpkeepStore` over one state."""
