"""Fakes that ship: models scripted, recorded or hostile, a recording tool, a frozen clock, a server."""

from agentkit.testing.adversarial_llm import AdversarialLlm
from agentkit.testing.assert_calls import assert_calls
from agentkit.testing.chat_server import (
    ChatServer,
    Events,
    HttpReply,
    Stall,
    Trickle,
    chunk,
    completion,
    failure,
    streamed,
)
from agentkit.testing.frozen_clock import FrozenClock
from agentkit.testing.llm_recorder import LlmRecorder
from agentkit.testing.llm_replayer import LlmReplayer
from agentkit.testing.recording_tool import RecordingTool
from agentkit.testing.scripted_llm import ScriptedLlm, answer, call

__all__ = [
    "AdversarialLlm",
    "ChatServer",
    "Events",
    "FrozenClock",
    "HttpReply",
    "LlmRecorder",
    "LlmReplayer",
    "RecordingTool",
    "ScriptedLlm",
    "Stall",
    "Trickle",
    "answer",
    "assert_calls",
    "call",
    "chunk",
    "completion",
    "failure",
    "streamed",
]
