"""Tools: functions a model may ask for."""

from agentkit.messages import ToolSpec
from agentkit.tools.decorator import tool
from agentkit.tools.registry import ToolRegistry
from agentkit.tools.tool import InvalidArguments, Tool

__all__ = ["InvalidArguments", "Tool", "ToolRegistry", "ToolSpec", "tool"]
