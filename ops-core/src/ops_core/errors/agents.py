"""Agents and their versions."""

from ops_core.errors.kinds import CallerError


class AgentNotFound(CallerError):
    """There is no such agent, or it has no such version."""

    type = "agent_not_found"

    def __init__(self, ref: str) -> None:
        super().__init__(f"There is no agent {ref[:100]!r}.")


class AgentExists(CallerError):
    """A new agent has the name of one that is defined differently."""

    type = "agent_exists"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is an agent {name} with another definition; put that name to make its next version."
        )
