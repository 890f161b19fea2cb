"""What clients see of agents."""

from typing import Any, Self

from pydantic import BaseModel, Field

from ops_core.agents import AgentPage, AgentVersion
from ops_core.api.views import Time


class AgentView(BaseModel):
    """One version of an agent."""

    name: str = Field(examples=["researcher"])
    version: int = Field(description="1, 2, 3, …; a task is tied to one.", examples=[3])
    definition: dict[str, Any]
    created_at: Time = Field(description="Of this version.")
    created_by: str
    archived_at: Time | None = Field(description="Since when no new task can name the agent.")

    @classmethod
    def of(cls, agent: AgentVersion) -> Self:
        return cls(
            name=agent.name,
            version=agent.version,
            definition=agent.definition,
            created_at=agent.created_at,
            created_by=agent.created_by,
            archived_at=agent.archived_at,
        )


class AgentPageView(BaseModel):
    """One page of agents, newest first."""

    agents: list[AgentView]
    next_cursor: str | None = Field(description="Null on the last page.")

    @classmethod
    def of(cls, page: AgentPage) -> Self:
        agents = [AgentView.of(agent) for agent in page.agents]
        return cls(agents=agents, next_cursor=page.next_cursor)
