"""What a task is tied to: the versions of all agents that it may come to, and how far that may go."""

from typing import Any

import pytest

from ops_core.agents import AgentService
from ops_core.agents.pins import MAX_HANDOFF_AGENTS, pinned
from ops_core.agents.reference import AgentRef
from ops_core.agents.request import MAX_DEFINITION, VersionRequest
from ops_core.errors import AgentNotFound, InvalidRequest
from ops_core.ports import AgentKind, TaskType
from ops_core.request import TaskRequest
from ops_core.testing import MemoryAgentStore

pytestmark = pytest.mark.unit


KIND = AgentKind(definition_schema={"type": "object"})
TYPE = TaskType(name="x", input_schema={}, agent_kind=KIND)


class Office:
    """A service of agents over a fresh store."""

    def __init__(self) -> None:
        self.store = MemoryAgentStore()
        self.service = AgentService(self.store, KIND)

    async def put(self, name: str, *handoffs: str, **definition: Any) -> int:
        request = VersionRequest(definition={**definition, "handoffs": list(handoffs)})
        return (await self.service.put(name, request, tenant_id="default", by="ada")).agent.version

    async def refused(self, name: str, *handoffs: str, **definition: Any) -> dict[str, str]:
        with pytest.raises(InvalidRequest) as error:
            await self.put(name, *handoffs, **definition)
        return {field.path: field.message for field in error.value.errors}

    async def pins(self, agent: str) -> tuple[int | None, dict[str, int]]:
        request = TaskRequest(task_type="x", agent=agent)
        pins = await pinned(self.store, TYPE, request, "default")
        return pins.version, dict(pins.handoffs)


@pytest.fixture
def office() -> Office:
    return Office()


async def test_all_that_may_be_come_to_is_tied(office: Office) -> None:
    """A version that is named, and the newest of those that are not, each once."""
    await office.put("c")
    await office.put("c", n=2)
    await office.put("b", "c@1")
    await office.put("a", "b", "c")
    await office.put("c", n=3)
    assert (1, {"b": 1, "c": 3, "c@1": 1}) == await office.pins("a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a", AgentRef("a")), ("a-b_C1@12", AgentRef("a-b_C1", 12)), ("a" * 64, AgentRef("a" * 64))],
)
def test_a_reference_is_read_and_written_alike(text: str, expected: AgentRef) -> None:
    """With and without a version."""
    assert (expected, text) == (AgentRef.parse(text), str(expected))


@pytest.mark.parametrize("text", ["", "a@", "a@0", "a@x", "a@1@2", "a b", "a" * 65, "a\n", "ä"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    """Before anything is looked for."""
    with pytest.raises(InvalidRequest):
        AgentRef.parse(text)


async def test_work_goes_in_no_circle(office: Office) -> None:
    """However long it is, and when the last link is another version's."""
    await office.put("a")
    await office.put("b", "a")
    await office.put("c", "b")
    said = {"definition.handoffs": "hands work over in a circle: a → c → b → a"}
    assert said == await office.refused("a", "c")
    assert {"definition.handoffs.0": "is the agent itself"} == await office.refused("a", "a@1")


async def test_a_circle_that_two_made_at_once_is_refused_with_the_task(office: Office) -> None:
    """Each was right when it was looked at."""
    await office.put("a")
    await office.put("b", "a")
    office.store._agents["default", "a"].versions[0].definition["handoffs"] = ["b"]
    with pytest.raises(InvalidRequest, match="in a circle: a → b → a"):
        await office.pins("a")


async def test_work_goes_three_agents_deep(office: Office) -> None:
    """And no deeper."""
    await office.put("d")
    await office.put("c", "d")
    await office.put("b", "c")
    await office.put("a", "b")
    said = "hands work over more than 3 agents deep: z → a → b → c → d"
    assert {"definition.handoffs": said} == await office.refused("z", "a")


async def test_a_task_has_so_many_agents(office: Office) -> None:
    """More are refused, though no definition names so many."""
    for n in range(MAX_HANDOFF_AGENTS + 1):
        await office.put(f"low{n}")
    half = MAX_HANDOFF_AGENTS // 2 + 1
    await office.put("left", *(f"low{n}" for n in range(half)))
    await office.put("right", *(f"low{n}" for n in range(half, MAX_HANDOFF_AGENTS)))
    said = f"hands work over to more than {MAX_HANDOFF_AGENTS} agents in all"
    assert {"definition.handoffs": said} == await office.refused("top", "left", "right")


async def test_an_agent_below_must_be_there(office: Office) -> None:
    """Not archived, unless its version is named."""
    await office.put("b")
    await office.service.archive("b", tenant_id="default")
    said = "hands work over to b, which is unknown or archived"
    assert {"definition.handoffs": said} == await office.refused("a", "b")
    assert 1 == await office.put("a", "b@1")
    assert (1, {"b@1": 1}) == await office.pins("a")


async def test_an_agent_below_is_a_tool_of_its_name(office: Office) -> None:
    """So that name must be free."""
    await office.put("b")
    clash = {"definition.handoffs.0": "has the name of one of its tools; rename one"}
    assert clash == await office.refused("a", "b", tools=["b"])
    twice = {"definition.handoffs.1": "is named twice"}
    assert twice == await office.refused("a", "b", "b@1")
    builtin = "is the default agent, which is no tool of another one"
    assert {"definition.handoffs.0": builtin} == await office.refused("a", "default")


async def test_the_default_agent_is_there_and_stays_as_it_is(office: Office) -> None:
    """It can be looked at, and not defined or archived."""
    assert {} == (await office.service.get("default", tenant_id="default")).definition
    assert ["name"] == [*await office.refused("default")]
    with pytest.raises(InvalidRequest):
        await office.service.archive("default", tenant_id="default")
    with pytest.raises(AgentNotFound):
        await office.service.get("default", 2, tenant_id="default")


async def test_a_definition_is_of_a_bounded_size(office: Office) -> None:
    """In bytes, as it is stored."""
    said = f"is larger than {MAX_DEFINITION} bytes of JSON"
    assert {"definition": said} == await office.refused("a", text="ä" * (MAX_DEFINITION // 2))


@pytest.mark.parametrize("name", ["a@1", "a b", ""])
async def test_a_new_version_has_a_plain_name(office: Office, name: str) -> None:
    """The number is not for clients to choose."""
    assert ["name"] == [*await office.refused(name)]
