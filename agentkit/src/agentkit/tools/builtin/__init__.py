"""Tools that come with agentkit and need nothing else."""

from agentkit.tools.builtin.calculator import calculator
from agentkit.tools.builtin.current_time import current_time, current_time_of

__all__ = ["calculator", "current_time", "current_time_of"]
