"""What agents remember beyond one task, as those see it who answer for it: added, read, searched, forgotten.

Who keeps it is behind `MemoryShelf`; nothing here knows how agents use it.
"""

from ops_core.memories.port import Memory, MemoryFilter, MemoryPage, MemoryShelf, NewMemory, Scalar
from ops_core.memories.service import MemoryService, Saved
from ops_core.memories.without import NoShelf

__all__ = [
    "Memory",
    "MemoryFilter",
    "MemoryPage",
    "MemoryService",
    "MemoryShelf",
    "NewMemory",
    "NoShelf",
    "Saved",
    "Scalar",
]
