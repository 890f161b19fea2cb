"""What a model is reminded of when it is asked."""

from agentkit.memory.port import Memory, Recorder
from agentkit.memory.short_term import ShortTermMemory

__all__ = ["Memory", "Recorder", "ShortTermMemory"]
