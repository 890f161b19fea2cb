"""agentkit: LLM agents in one loop, with everything else as a port, a policy or a listener.

Importing this package imports no SDK and does nothing else: names are resolved on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentkit.agent import Agent, AgentProfile, RunResult
    from agentkit.context import RunContext
    from agentkit.egress import EgressClient, EgressPolicy
    from agentkit.errors import AgentError, FailedBeforeEffect
    from agentkit.handoffs import handoff
    from agentkit.journal import InMemoryJournal, Journal, Step
    from agentkit.limits import Limits
    from agentkit.llm import LlmClient, ModelSettings, RetryPolicy
    from agentkit.llm.anthropic import AnthropicClient
    from agentkit.llm.fallback import FallbackLlm
    from agentkit.llm.google import GoogleClient
    from agentkit.llm.governor import Rate, RateGovernor
    from agentkit.llm.local import LocalLlm
    from agentkit.llm.openai import OpenAiClient
    from agentkit.llm.openrouter import OpenRouterClient
    from agentkit.mcp import McpClient, McpServer
    from agentkit.memory import (
        ChromaLongTermMemory,
        HashingEmbedder,
        InMemoryLongTermMemory,
        LongTermMemory,
        MemoryEntry,
        MemoryMatch,
        MiniLmEmbedder,
        Namespace,
        OpenAiEmbedder,
        ShortTermMemory,
        SummarizingMemory,
    )
    from agentkit.planning import PlanExecutePlanner, ReActPlanner, SimplePlanner
    from agentkit.prompts import Prompt
    from agentkit.security import AllowList, Rules, SecurityManager
    from agentkit.tools import Tool, ToolRegistry, Toolset, tool

_HOMES = {
    "Agent": "agentkit.agent",
    "AgentError": "agentkit.errors",
    "AgentProfile": "agentkit.agent",
    "AllowList": "agentkit.security",
    "AnthropicClient": "agentkit.llm.anthropic",
    "ChromaLongTermMemory": "agentkit.memory",
    "EgressClient": "agentkit.egress",
    "EgressPolicy": "agentkit.egress",
    "FailedBeforeEffect": "agentkit.errors",
    "FallbackLlm": "agentkit.llm.fallback",
    "GoogleClient": "agentkit.llm.google",
    "HashingEmbedder": "agentkit.memory",
    "InMemoryJournal": "agentkit.journal",
    "InMemoryLongTermMemory": "agentkit.memory",
    "Journal": "agentkit.journal",
    "Limits": "agentkit.limits",
    "LlmClient": "agentkit.llm",
    "LocalLlm": "agentkit.llm.local",
    "LongTermMemory": "agentkit.memory",
    "McpClient": "agentkit.mcp",
    "McpServer": "agentkit.mcp",
    "MemoryEntry": "agentkit.memory",
    "MemoryMatch": "agentkit.memory",
    "MiniLmEmbedder": "agentkit.memory",
    "ModelSettings": "agentkit.llm",
    "Namespace": "agentkit.memory",
    "OpenAiClient": "agentkit.llm.openai",
    "OpenAiEmbedder": "agentkit.memory",
    "OpenRouterClient": "agentkit.llm.openrouter",
    "PlanExecutePlanner": "agentkit.planning",
    "Prompt": "agentkit.prompts",
    "Rate": "agentkit.llm.governor",
    "RateGovernor": "agentkit.llm.governor",
    "ReActPlanner": "agentkit.planning",
    "RetryPolicy": "agentkit.llm",
    "Rules": "agentkit.security",
    "RunContext": "agentkit.context",
    "RunResult": "agentkit.agent",
    "SecurityManager": "agentkit.security",
    "ShortTermMemory": "agentkit.memory",
    "SimplePlanner": "agentkit.planning",
    "Step": "agentkit.journal",
    "SummarizingMemory": "agentkit.memory",
    "Tool": "agentkit.tools",
    "ToolRegistry": "agentkit.tools",
    "Toolset": "agentkit.tools",
    "handoff": "agentkit.handoffs",
    "tool": "agentkit.tools",
}

__all__ = [
    "Agent",
    "AgentError",
    "AgentProfile",
    "AllowList",
    "AnthropicClient",
    "ChromaLongTermMemory",
    "EgressClient",
    "EgressPolicy",
    "FailedBeforeEffect",
    "FallbackLlm",
    "GoogleClient",
    "HashingEmbedder",
    "InMemoryJournal",
    "InMemoryLongTermMemory",
    "Journal",
    "Limits",
    "LlmClient",
    "LocalLlm",
    "LongTermMemory",
    "McpClient",
    "McpServer",
    "MemoryEntry",
    "MemoryMatch",
    "MiniLmEmbedder",
    "ModelSettings",
    "Namespace",
    "OpenAiClient",
    "OpenAiEmbedder",
    "OpenRouterClient",
    "PlanExecutePlanner",
    "Prompt",
    "Rate",
    "RateGovernor",
    "ReActPlanner",
    "RetryPolicy",
    "Rules",
    "RunContext",
    "RunResult",
    "SecurityManager",
    "ShortTermMemory",
    "SimplePlanner",
    "Step",
    "SummarizingMemory",
    "Tool",
    "ToolRegistry",
    "Toolset",
    "handoff",
    "tool",
]


def __getattr__(name: str) -> Any:
    """Import the module a public name lives in when the name is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
