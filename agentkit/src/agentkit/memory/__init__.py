"""What a model is reminded of when it is asked, and what agents remember beyond one run."""

from agentkit.memory.browsing import BrowsableMemory, KeptEntry, Place, Scope
from agentkit.memory.chroma import ChromaLongTermMemory
from agentkit.memory.embedding import Embedder, HashingEmbedder
from agentkit.memory.in_memory import InMemoryLongTermMemory
from agentkit.memory.long_term import (
    LongTermMemory,
    MemoryEntry,
    MemoryMatch,
    Namespace,
    Scalar,
    Where,
)
from agentkit.memory.minilm import MiniLmEmbedder
from agentkit.memory.openai_embedder import OpenAiEmbedder
from agentkit.memory.port import Memory, Recorder
from agentkit.memory.recorder import StepRecorder
from agentkit.memory.short_term import ShortTermMemory
from agentkit.memory.summarizing import SummarizingMemory
from agentkit.memory.turns import paired
from agentkit.tokens import estimate_tokens

__all__ = [
    "BrowsableMemory",
    "ChromaLongTermMemory",
    "Embedder",
    "HashingEmbedder",
    "InMemoryLongTermMemory",
    "KeptEntry",
    "LongTermMemory",
    "Memory",
    "MemoryEntry",
    "MemoryMatch",
    "MiniLmEmbedder",
    "Namespace",
    "OpenAiEmbedder",
    "Place",
    "Recorder",
    "Scalar",
    "Scope",
    "ShortTermMemory",
    "StepRecorder",
    "SummarizingMemory",
    "Where",
    "estimate_tokens",
    "paired",
]
