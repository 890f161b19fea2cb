"""Tools: functions a model may ask for."""

from agentkit.messages import ToolSpec
from agentkit.tools.decorator import tool
from agentkit.tools.registry import ToolRegistry
from agentkit.tools.tool import InvalidArguments, TimedOut, Tool

__all__ = ["InvalidArguments", "TimedOut", "Tool", "ToolRegistry", "ToolSpec", "tool"]
