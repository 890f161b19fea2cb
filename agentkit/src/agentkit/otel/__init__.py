"""OpenTelemetry: a run as spans in the words of the GenAI semantic conventions."""

from agentkit.otel.traced import traced

__all__ = ["traced"]
