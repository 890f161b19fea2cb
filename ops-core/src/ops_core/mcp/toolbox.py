"""Which tools there are for whom, and how one is called."""

from dataclasses import asdict
from typing import Final

import structlog
from pydantic import BaseModel

from ops_core.errors import CallerError, InvalidRequest, OpsError, Unavailable
from ops_core.mcp.arguments import RunAgent
from ops_core.mcp.desk import Call, Desk
from ops_core.mcp.tools import TOOLS, AgentRun, Tool, run_agent
from ops_core.principal import Principal
from ops_core.task import JsonObject

log = structlog.get_logger(__name__)

#: What the tool of an agent is called by, before the agent's own name.
RUN: Final = "run_"

_AWAY: Final = "Something that this call needs is away; call again in a moment."

_FIXED: Final = {tool.name: tool for tool in TOOLS}


async def tools_for(desk: Desk, who: Principal) -> list[Tool]:
    """All tools of a caller: those of tasks, and one an agent."""
    agents = await desk.agents.agents_of(who.tenant_id)
    return [*TOOLS, *(_of_agent(agent.name, agent.description) for agent in agents)]


def tool_named(name: str) -> Tool | None:
    """The tool, so that who calls it can be asked for; whether its agent exists is seen when it runs."""
    if name in _FIXED:
        return _FIXED[name]
    agent = name.removeprefix(RUN)
    return _of_agent(agent, "") if agent and name.startswith(RUN) else None


async def called(tool: Tool, call: Call, arguments: JsonObject) -> BaseModel | JsonObject:
    """What the call came to: what the tool gives, or a problem, which is a dict."""
    try:
        return await tool.run(call, arguments)
    except OpsError as error:
        return problem_of(error)
    except Exception as error:  # noqa: BLE001  # protects the client: what a bug says goes to the log
        return _internal(error)


def problem_of(error: OpsError) -> JsonObject:
    """An error as the client sees it: `type` is the same on every door."""
    if isinstance(error, InvalidRequest):
        fields = [asdict(field) for field in error.errors]
        return {"type": error.type, "detail": str(error), "errors": fields}
    if isinstance(error, CallerError):
        return {"type": error.type, "detail": str(error)}
    if isinstance(error, Unavailable):
        # Not always the error's own words: they may name hosts and users.
        detail = str(error) if error.is_public else _AWAY
        return {"type": error.type, "detail": detail, "retry_after_s": error.retry_after_s}
    return _internal(error)


def _internal(error: Exception) -> JsonObject:
    log.error("mcp_call_failed", exc_info=error)
    return {"type": "internal", "detail": "This is a fault of the server; its log has the reason."}


def _of_agent(agent: str, description: str) -> Tool:
    return Tool(
        name=f"{RUN}{agent}",
        operation="create_task",
        description=description
        or f"Gives the agent {agent} a goal, and waits for its answer for at most within_s seconds.",
        takes=RunAgent.model_json_schema(),
        gives=AgentRun,
        run=run_agent(agent),
    )
