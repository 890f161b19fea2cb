"""What is between a tool and the journal: the run, as the tool may use it."""

from agentkit.context.run_context import RunContext
from agentkit.context.substep import StepFailed
from agentkit.context.surroundings import Surroundings
from agentkit.journal import ChildResult

__all__ = ["ChildResult", "RunContext", "StepFailed", "Surroundings"]
