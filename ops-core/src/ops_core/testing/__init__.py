"""Fakes that ship: they pass the same conformance suites as the real adapters."""

from ops_core.testing.bell import RecordingBell
from ops_core.testing.clock import FrozenClock
from ops_core.testing.memory import MemoryStore

__all__ = ["FrozenClock", "MemoryStore", "RecordingBell"]
