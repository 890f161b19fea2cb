"""Tools: functions a model may ask for."""

from agentkit.messages import ToolSpec
from agentkit.tools.decorator import tool
from agentkit.tools.observe import InDoubt, failed, observe
from agentkit.tools.registry import ToolRegistry
from agentkit.tools.schema_arguments import SchemaArguments
from agentkit.tools.tool import InvalidArguments, TimedOut, Tool

__all__ = [
    "InDoubt",
    "InvalidArguments",
    "SchemaArguments",
    "TimedOut",
    "Tool",
    "ToolRegistry",
    "ToolSpec",
    "failed",
    "observe",
    "tool",
]
