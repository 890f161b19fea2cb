"""Tools that come with agentkit and need nothing else."""

from agentkit.tools.builtin.ask_user import ask_user
from agentkit.tools.builtin.calculator import calculator
from agentkit.tools.builtin.current_time import current_time
from agentkit.tools.builtin.run_tasks import run_tasks
from agentkit.tools.builtin.sleep import sleep

__all__ = ["ask_user", "calculator", "current_time", "run_tasks", "sleep"]
