"""Tools that come with agentkit. Some need nothing; some are made for a place they may reach."""

from agentkit.tools.builtin.ask_user import ask_user
from agentkit.tools.builtin.calculator import calculator
from agentkit.tools.builtin.current_time import current_time
from agentkit.tools.builtin.http_fetch import http_fetch
from agentkit.tools.builtin.memory import MEMORY_TOOLS, memory_tools
from agentkit.tools.builtin.python_code import python_code
from agentkit.tools.builtin.run_tasks import run_tasks
from agentkit.tools.builtin.sleep import sleep
from agentkit.tools.builtin.workspace import WorkspaceLimits, workspace_tools

__all__ = [
    "MEMORY_TOOLS",
    "WorkspaceLimits",
    "ask_user",
    "calculator",
    "current_time",
    "http_fetch",
    "memory_tools",
    "python_code",
    "run_tasks",
    "sleep",
    "workspace_tools",
]
