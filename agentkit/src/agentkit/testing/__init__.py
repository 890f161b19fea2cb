"""Fakes that ship: a scripted model, a recording tool, a frozen clock, a chat server."""

from agentkit.testing.chat_server import ChatServer, HttpReply, Stall, Trickle, completion, failure
from agentkit.testing.frozen_clock import FrozenClock
from agentkit.testing.recording_tool import RecordingTool
from agentkit.testing.scripted_llm import Request, ScriptedLlm, answer, call

__all__ = [
    "ChatServer",
    "FrozenClock",
    "HttpReply",
    "RecordingTool",
    "Request",
    "ScriptedLlm",
    "Stall",
    "Trickle",
    "answer",
    "call",
    "completion",
    "failure",
]
