"""Tools: functions a model may ask for."""

from agentkit.messages import ToolSpec
from agentkit.tools.decorator import tool
from agentkit.tools.isolation import InProcess, Isolation, RaisedElsewhere, Subprocess
from agentkit.tools.observe import InDoubt, failed, observation, observe
from agentkit.tools.registry import ToolRegistry
from agentkit.tools.schema_arguments import SchemaArguments
from agentkit.tools.tool import InvalidArguments, NeedsApproval, TimedOut, Tool
from agentkit.tools.toolset import Toolset

__all__ = [
    "InDoubt",
    "InProcess",
    "InvalidArguments",
    "Isolation",
    "NeedsApproval",
    "RaisedElsewhere",
    "SchemaArguments",
    "Subprocess",
    "TimedOut",
    "Tool",
    "ToolRegistry",
    "ToolSpec",
    "Toolset",
    "failed",
    "observation",
    "observe",
    "tool",
]
