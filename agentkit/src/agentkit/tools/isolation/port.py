"""What a tool asks of the place where its function runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from agentkit.tools.tool import Tool


class Isolation(Protocol):
    """Runs the function of a tool, apart from what it could harm.

    Cancelling `run` is how a timeout stops a call: what can be stopped has ended when it returns.
    """

    def check(self, tool: Tool) -> None:
        """Raise UsageError for a tool whose function cannot run here. Called when it is made."""
        ...

    async def run(self, tool: Tool, keywords: dict[str, Any]) -> str:
        """The result as text, no longer than the tool's `max_output` and the note on the cut.

        Raises what the function raises, or RaisedElsewhere with its name and words where that
        cannot travel; FailedBeforeEffect and ToolFailed always as they are.
        """
        ...


class RaisedElsewhere(Exception):
    """The function raised, or its process ended, where its exception could not travel from.

    The text says what it was, as in `ConnectionError: reset`.
    """
