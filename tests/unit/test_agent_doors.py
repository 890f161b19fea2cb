"""Which agents the doors beside REST show."""

from ops_core.agents.request import AgentRequest, parse_agent
from ops_core.service import TaskService
from ops_core.testing import MemoryStore, services_of
from opspawn.agent_doors import agent_tasks
from opspawn.agents.contract import AGENT_KIND, TASK_TYPES


async def test_the_default_agent_and_those_of_the_tenant_are_shown() -> None:
    """And nobody else's."""
    tasks = TaskService(MemoryStore(), TASK_TYPES, lambda _queue, _task_id: None)
    agents = services_of(tasks, kind=AGENT_KIND).agents
    definition = {"description": "Looks things up.", "instructions": "Look it up."}
    request = parse_agent(AgentRequest, {"name": "researcher", "definition": definition})
    await agents.create(request, tenant_id="a", by="ann")
    shown = agent_tasks(agents)
    default, researcher = await shown.agents_of("a")
    assert (default, "Looks things up.") == (shown.default, researcher.description)
    assert ["default"] == [agent.name for agent in await shown.agents_of("b")]
