"""Fakes that ship: a model that says what it is told, a tool that remembers, a clock that stops."""

from agentkit.testing.frozen_clock import FrozenClock
from agentkit.testing.recording_tool import RecordingTool
from agentkit.testing.scripted_llm import Request, ScriptedLlm, answer, call

__all__ = [
    "FrozenClock",
    "RecordingTool",
    "Request",
    "ScriptedLlm",
    "answer",
    "call",
]
