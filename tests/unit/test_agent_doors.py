"""Which agents the doors beside REST show."""

from typing import Literal

import httpx2
import pytest

from ops_core.agents.request import AgentRequest
from ops_core.api.visitors import Visitors
from ops_core.bodies import parsed
from ops_core.service import TaskService
from ops_core.testing import MemoryStore, services_of
from opspawn.agent_doors import agent_tasks, rest_app, visitors
from opspawn.agents.contract import AGENT_KIND, TASK_TYPES
from opspawn.settings import Settings


async def test_the_default_agent_and_those_of_the_tenant_are_shown() -> None:
    """And nobody else's."""
    tasks = TaskService(MemoryStore(), TASK_TYPES, lambda _queue, _task_id: None)
    agents = services_of(tasks, kind=AGENT_KIND).agents
    definition = {"description": "Looks things up.", "instructions": "Look it up."}
    request = parsed(AgentRequest, {"name": "researcher", "definition": definition})
    await agents.create(request, tenant_id="a", by="ann")
    shown = agent_tasks(agents)
    default, researcher = await shown.agents_of("a")
    assert (default, "Looks things up.") == (shown.default, researcher.description)
    assert ["default"] == [agent.name for agent in await shown.agents_of("b")]


@pytest.mark.parametrize(("auth", "expected"), [("none", 403), ("keys", 200)])
async def test_only_a_server_without_keys_looks_at_what_it_is_called(
    auth: Literal["none", "keys"], expected: int
) -> None:
    """A page that a bent name led to it has no key; where none is asked for it would need none."""
    tasks = TaskService(MemoryStore(), TASK_TYPES, lambda _queue, _task_id: None)
    app = rest_app(Settings(auth=auth), services_of(tasks, kind=AGENT_KIND), {})
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://evil.test") as http:
        assert expected == (await http.get("/api/v1/tasks/")).status_code


def test_an_address_of_this_machine_that_is_not_the_usual_one_is_a_name_of_it() -> None:
    """127.0.0.2 is reached from here alone as well, and may be asked for by that name."""
    found = visitors(Settings(host="127.0.0.2", auth="none"))
    assert Visitors(names=frozenset({"127.0.0.2"}), local=True) == found
