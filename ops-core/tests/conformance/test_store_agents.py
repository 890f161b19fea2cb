"""What every store promises of agents: versions that are numbered, found, and never changed."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from store_world import World

from ops_core.agents import AgentRef, AgentVersion, NewVersion
from ops_core.errors import AgentExists, AgentNotFound, InvalidRequest

pytestmark = pytest.mark.conformance


def said(name: str, tenant_id: str = "default", **definition: Any) -> NewVersion:
    return NewVersion(
        tenant_id=tenant_id,
        name=name,
        definition=definition,
        digest=repr(sorted(definition.items())),
        created_by="ada",
    )


def shown(agents: Sequence[AgentVersion]) -> list[str]:
    return [f"{agent.name}@{agent.version}" for agent in agents]


async def test_definitions_are_numbered_and_kept(world: World) -> None:
    """The second version leaves the first as it was."""
    first, is_new = await world.agents.put(said("scout", n=1))
    assert (1, {"n": 1}, "ada", True) == (
        first.version,
        first.definition,
        first.created_by,
        is_new,
    )
    world.advance(1)
    await world.agents.put(said("scout", n=2))
    newest = await world.agents.get("default", AgentRef("scout"))
    assert (2, {"n": 2}) == (newest.version, newest.definition)
    assert first == await world.agents.get("default", AgentRef("scout", 1))
    versions = await world.agents.versions("default", "scout", limit=10, cursor=None)
    assert ["scout@2", "scout@1"] == shown(versions.agents)


async def test_the_same_definition_is_the_same_version(world: World) -> None:
    """Stored again, as after a lost answer, it adds nothing; an older one said again is a new one."""
    first, _ = await world.agents.put(said("scout", n=1))
    assert (first, False) == await world.agents.put(said("scout", n=1))
    await world.agents.put(said("scout", n=2))
    again, is_new = await world.agents.put(said("scout", n=1))
    assert (3, True) == (again.version, is_new)


async def test_many_who_define_one_agent_at_once_get_versions_of_their_own(world: World) -> None:
    """No number is given twice, and none is left out."""
    puts = [world.agents.put(said("scout", n=n)) for n in range(10)]
    found = [agent.version for agent, _ in await asyncio.gather(*puts)]
    assert list(range(1, 11)) == sorted(found)


async def test_many_who_say_the_same_at_once_make_one_version(world: World) -> None:
    """As when several doors start with the same file."""
    puts = [world.agents.put(said("scout", n=1)) for _ in range(10)]
    found = await asyncio.gather(*puts)
    assert {1} == {agent.version for agent, _ in found}
    assert 1 == sum(is_new for _, is_new in found)


async def test_a_new_agent_must_not_have_the_name_of_another_one(world: World) -> None:
    """The same definition again is an answer that was lost."""
    await world.agents.put(said("scout", n=1), only_first=True)
    assert not (await world.agents.put(said("scout", n=1), only_first=True))[1]
    with pytest.raises(AgentExists):
        await world.agents.put(said("scout", n=2), only_first=True)
    assert 1 == (await world.agents.get("default", AgentRef("scout"))).version


async def test_an_archived_agent_is_not_found_by_its_name_for_new_tasks(world: World) -> None:
    """A version that is named still is; the next version, even of the same words, puts it back."""
    await world.agents.put(said("scout", n=1))
    archived = await world.agents.archive("default", "scout")
    assert archived == await world.agents.archive("default", "scout")
    assert archived.archived_at is not None
    refs = [AgentRef("scout"), AgentRef("scout", 1)]
    assert [AgentRef("scout", 1)] == [*await world.agents.find("default", refs)]
    back, is_new = await world.agents.put(said("scout", n=1))
    assert (2, True) == (back.version, is_new)
    assert [AgentRef("scout")] == [*await world.agents.find("default", [AgentRef("scout")])]


async def test_what_is_not_there_is_not_found(world: World) -> None:
    """By name, by version, or because it is another tenant's."""
    await world.agents.put(said("scout", n=1))
    missing = [AgentRef("nobody"), AgentRef("scout", 2)]
    assert {} == await world.agents.find("default", missing)
    assert {} == await world.agents.find("other", [AgentRef("scout")])
    for tenant_id, ref in (
        ("default", missing[0]),
        ("default", missing[1]),
        ("other", AgentRef("scout")),
    ):
        with pytest.raises(AgentNotFound):
            await world.agents.get(tenant_id, ref)
    with pytest.raises(AgentNotFound):
        await world.agents.archive("other", "scout")
    with pytest.raises(AgentNotFound):
        await world.agents.versions("other", "scout", limit=1, cursor=None)


async def test_agents_are_paged_newest_first(world: World) -> None:
    """Each once, in its newest version; archived ones apart, and another tenant's not at all."""
    for name in ("a", "b", "c", "d"):
        await world.agents.put(said(name, n=1))
        world.advance(1)
    await world.agents.put(said("a", n=2))
    await world.agents.archive("default", "b")
    await world.agents.put(said("e", tenant_id="other"))
    first = await world.agents.page("default", archived=False, limit=2, cursor=None)
    rest = await world.agents.page("default", archived=False, limit=2, cursor=first.next_cursor)
    assert (["d@1", "c@1"], ["a@2"], None) == (
        shown(first.agents),
        shown(rest.agents),
        rest.next_cursor,
    )
    archived = await world.agents.page("default", archived=True, limit=2, cursor=None)
    assert ["b@1"] == shown(archived.agents)
    with pytest.raises(InvalidRequest):
        await world.agents.page("default", archived=False, limit=2, cursor="elsewhere")


async def test_versions_are_paged(world: World) -> None:
    """The cursor leads on to older ones."""
    for n in range(3):
        await world.agents.put(said("scout", n=n))
    first = await world.agents.versions("default", "scout", limit=2, cursor=None)
    rest = await world.agents.versions("default", "scout", limit=2, cursor=first.next_cursor)
    assert (["scout@3", "scout@2"], ["scout@1"]) == (shown(first.agents), shown(rest.agents))


async def test_a_worker_is_given_the_definitions_that_its_task_is_tied_to(world: World) -> None:
    """Whatever was defined since, and though the agent is archived."""
    await world.agents.put(said("scout", n=1))
    await world.agents.put(said("scout", tenant_id="other", n=9))
    await world.submit(agent="scout", agent_version=1, handoffs={"writer": 4})
    await world.agents.put(said("scout", n=2))
    await world.agents.archive("default", "scout")
    task, _ = await world.claim_one()
    assert ("scout", 1, {"writer": 4}) == (task.agent, task.agent_version, task.handoffs)
    found = await world.workers.definitions(task.tenant_id, [("scout", 1)])
    assert {("scout", 1): {"n": 1}} == found


async def test_what_a_task_is_tied_to_is_in_its_log(world: World) -> None:
    """The first event is enough to make the row again."""
    task = await world.submit(agent="scout", agent_version=3, handoffs={"writer": 4})
    [event] = await world.tasks.log("default", task.task_id)
    assert ("scout", 3, {"writer": 4}) == (
        event.data["agent"],
        event.data["agent_version"],
        event.data["handoffs"],
    )
