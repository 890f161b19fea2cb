"""Fakes that ship: a scripted model, a recording tool, a frozen clock, a chat server."""

from agentkit.testing.chat_server import ChatServer, HttpReply, Stall, Trickle, completion, failure
from agentkit.testing.frozen_clock import FrozenClock
from agentkit.testing.recording_tool import RecordingTool
from agentkit.testing.scripted_llm import ScriptedLlm, answer, call

__all__ = [
    "ChatServer",
    "FrozenClock",
    "HttpReply",
    "RecordingTool",
    "ScriptedLlm",
    "Stall",
    "Trickle",
    "answer",
    "call",
    "completion",
    "failure",
]
