"""Clients for language models: one port, one small module for each way of speaking to a model."""

from agentkit.llm.port import LlmClient, ModelRequest, ModelSettings
from agentkit.llm.retry import RetryPolicy

__all__ = ["LlmClient", "ModelRequest", "ModelSettings", "RetryPolicy"]
