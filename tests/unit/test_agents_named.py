"""Tasks of named agents: they run what was defined when they were submitted, whatever is defined since."""

import time
from pathlib import Path
from typing import Any

import pytest

from agentkit.messages import AssistantMessage, SystemMessage, UserMessage
from agentkit.testing import RecordingTool, ScriptedLlm, call
from ops_core.errors import InvalidRequest
from ops_core.task import Status
from opspawn.replay import Recording, load, replay, save
from support.agent_desk import AgentDesk

pytestmark = pytest.mark.unit

ASKS = call(("ask_user", {"question": "Which?"}))


def instructions(llm: ScriptedLlm, request: int = 0) -> str:
    first = llm.requests[request].messages[0]
    assert isinstance(first, SystemMessage)
    return first.text


def said(llm: ScriptedLlm, request: int = 0) -> list[tuple[str, str]]:
    """The conversation that a model was shown, without its instructions."""
    roles = {UserMessage: "user", AssistantMessage: "assistant"}
    shown = llm.requests[request].messages[1:]
    return [(roles[type(one)], one.text) for one in shown if type(one) in roles]


async def refused(desk: AgentDesk, **fields: Any) -> dict[str, str]:
    """What is told of a submission that is refused."""
    with pytest.raises(InvalidRequest) as error:
        await desk.ask("Do it.", **fields)
    return {field.path: field.message for field in error.value.errors}


async def test_a_named_agent_is_what_its_definition_says() -> None:
    """Its instructions, its tools, its model, and its limits."""
    desk = AgentDesk()
    await desk.define(
        "scout", instructions="You scout.", tools=["ask_user"], llm_model="large", max_steps=1
    )
    task = await desk.ask("Find it.", agent="scout")
    llm = await desk.run(ASKS)
    assert instructions(llm).startswith("You scout.")
    assert (["ask_user"], "large") == ([tool.name for tool in llm.requests[0].tools], llm.model)
    await desk.answer(task, "This.")
    await desk.run("Never asked.")
    found = await desk.task(task)
    assert found.error is not None
    assert ("limit_exceeded", "scout", 1) == (found.error.type, found.agent, found.agent_version)


async def test_a_run_is_not_disturbed_by_a_new_version() -> None:
    """It waits, its worker dies, another version is defined: it goes on as it began."""
    desk = AgentDesk()
    await desk.define("scout", instructions="You scout.", tools=["ask_user"])
    task = await desk.ask("Find it.", agent="scout")
    await desk.run(ASKS, worker="w1")
    assert "scout@2" == await desk.define("scout", instructions="You rest.", tools=["sleep"])
    await desk.agents.archive("scout", tenant_id="default")
    await desk.answer(task, "This.")
    llm = await desk.run("Found.", worker="w2")
    assert instructions(llm).startswith("You scout.")
    assert {"output": "Found.", "structured": None, "artifacts": []} == (
        await desk.task(task)
    ).result


async def test_a_new_task_has_the_newest_version_unless_it_names_one() -> None:
    """`scout` is the second one, `scout@1` the first."""
    desk = AgentDesk()
    await desk.define("scout", instructions="One.")
    await desk.define("scout", instructions="Two.")
    for agent, expected in (("scout", "Two."), ("scout@1", "One.")):
        await desk.ask("Find it.", agent=agent)
        assert instructions(await desk.run("Found.")).startswith(expected)


async def test_a_retry_and_a_fork_have_the_version_of_their_task() -> None:
    """Whatever is the newest one by then."""
    desk = AgentDesk()
    await desk.define("scout", instructions="One.")
    task = await desk.ask("Find it.", agent="scout")
    await desk.define("scout", instructions="Two.")
    await desk.cancel(task)
    await desk.service.retry(task, tenant_id="default")
    assert instructions(await desk.run("Found.")).startswith("One.")
    fork = await desk.fork(task, 1)
    assert instructions(await desk.run("Found.")).startswith("One.")
    assert 1 == (await desk.task(fork)).agent_version


async def test_a_fork_needs_nothing_that_its_task_did_not_need() -> None:
    """The agents below it are archived since; it has the versions that its source has."""
    desk = AgentDesk()
    await desk.define("writer")
    await desk.define("scout", handoffs=["writer"])
    task = await desk.ask("Find it.", agent="scout")
    for name in ("scout", "writer"):
        await desk.agents.archive(name, tenant_id="default")
    await desk.cancel(task)
    fork = await desk.task(await desk.fork(task, 1))
    assert (1, {"writer": 1}) == (fork.agent_version, fork.handoffs)
    assert ["writer"] == [
        tool.name for tool in (await desk.run("Done.")).requests[0].tools if tool.name == "writer"
    ]


async def test_a_child_has_the_version_of_its_parent() -> None:
    """It is a part of the same run, though it is submitted later."""
    desk = AgentDesk()
    await desk.define("scout", instructions="One.", tools=["run_tasks"])
    await desk.ask("Find them.", agent="scout")
    await desk.define("scout", instructions="Two.", tools=["run_tasks"])
    await desk.run(call(("run_tasks", {"goals": ["a"]})))
    assert instructions(await desk.run("A.")).startswith("One.")


@pytest.mark.parametrize("agent", ["nobody", "scout@2", "default@1", "not a name", "@1"])
async def test_an_unknown_agent_is_refused_and_nothing_is_stored(agent: str) -> None:
    """By its name, its version, or because it is none."""
    desk = AgentDesk()
    await desk.define("scout", instructions="One.")
    assert ["agent"] == [*await refused(desk, agent=agent)]
    with pytest.raises(ValueError, match="not enough values"):  # nothing is there to be claimed
        await desk.run("Never.")


async def test_a_task_may_say_how_its_agent_is_asked() -> None:
    """The model is the task's choice; the rest stays as it was defined."""
    desk = AgentDesk()
    await desk.define("scout", instructions="You scout.", llm_model="small")
    await desk.ask("Find it.", agent="scout", config={"llm_model": "large"})
    llm = await desk.run("Found.")
    assert ("large", True) == (llm.model, instructions(llm).startswith("You scout."))


async def test_a_task_may_not_say_what_its_agent_may_do() -> None:
    """Each field is named, with what the definition leaves open."""
    desk = AgentDesk()
    await desk.define("scout", tools=["sleep"], overrides=["tools"])
    found = await refused(desk, agent="scout", config={"llm_model": "x", "instructions": "Obey."})
    assert {
        "input_data.agent_config.llm_model": "is set by the agent scout@1; a task may set: tools",
        "input_data.agent_config.instructions": "is set by the agent scout@1; a task may set: tools",
    } == found
    await desk.ask("Find it.", agent="scout", config={"tools": ["calculator"]})
    [tool] = (await desk.run("Found.")).requests[0].tools
    assert "calculator" == tool.name


async def test_a_fork_may_not_do_what_its_agent_forbids() -> None:
    """An override is held to the same as a task."""
    desk = AgentDesk()
    await desk.define("scout", overrides=[])
    task = await desk.ask("Find it.", agent="scout")
    with pytest.raises(InvalidRequest, match="llm_model"):
        await desk.fork(task, 1, model="large")


async def test_work_is_handed_over_to_the_version_of_its_time() -> None:
    """The agent below has instructions and tools of its own, and is a tool of the one above."""
    sent = RecordingTool("send", effect="unsafe")
    desk = AgentDesk(sent.tool)
    await desk.define("writer", description="Writes.", instructions="You write.", tools=["send"])
    await desk.define("scout", instructions="You scout.", handoffs=["writer"], tools=[])
    task = await desk.ask("Tell them.", agent="scout")
    await desk.define("writer", instructions="You sing.", tools=[])
    llm = await desk.run(
        call(("writer", {"goal": "Tell Ada."})),
        call(("send", {"text": "Hi."})),
        "Told.",
        "All told.",
    )
    assert ["writer"] == [tool.name for tool in llm.requests[0].tools]
    assert "Writes." == llm.requests[0].tools[0].description
    assert instructions(llm, 1).startswith("You write.")
    assert (1, {"writer": 1}) == (len(sent.calls), (await desk.task(task)).handoffs)
    assert Status.COMPLETED is (await desk.task(task)).status


async def test_what_an_agent_denies_those_below_it_may_not_do() -> None:
    """Handing work over is no way around a policy."""
    sent = RecordingTool("send", effect="unsafe")
    desk = AgentDesk(sent.tool)
    await desk.define("writer", tools=["send"])
    deny = [{"id": "quiet", "tools": ["send"], "says": "Nothing is sent."}]
    await desk.define("scout", handoffs=["writer"], policy={"deny": deny})
    await desk.ask("Tell them.", agent="scout")
    llm = await desk.run(
        call(("writer", {"goal": "Tell."})), call(("send", {"text": "Hi."})), "No.", "No."
    )
    assert 0 == len(sent.calls)
    assert "Nothing is sent." in str(llm.requests[2].messages[-1])


async def test_a_policy_asks_a_person_about_some_arguments() -> None:
    """A call within the bounds is made, another one waits."""
    sent = RecordingTool("send", effect="unsafe")
    desk = AgentDesk(sent.tool)
    ask = [{"id": "much", "tools": ["send"], "where": {"text": {"one_of": ["much", "all"]}}}]
    await desk.define("payer", tools=["send"], policy={"ask": ask})
    task = await desk.ask("Pay.", agent="payer")
    await desk.run(call(("send", {"text": "little"})), call(("send", {"text": "much"})))
    found = await desk.task(task)
    assert (1, Status.WAITING, "approval") == (len(sent.calls), found.status, found.reason)


async def test_a_run_of_a_named_agent_is_replayed_from_a_file(tmp_path: Path) -> None:
    """The file has the definitions that it ran with."""
    desk = AgentDesk()
    await desk.define("writer", instructions="You write.", tools=["ask_user"])
    await desk.define("scout", llm_model="large", handoffs=["writer"])
    task_id = await desk.ask("Tell them.", agent="scout")
    await desk.run(call(("writer", {"goal": "Tell Ada."})), "Told.", "All told.")
    task = await desk.task(task_id)
    given = {("scout", 1): {"llm_model": "large", "handoffs": ["writer"]}, ("writer", 1): {}}
    file = tmp_path / "run.json"
    save(Recording.of(task, await desk.log(task_id), desk.settings, given), file)
    assert "task.completed" == (await replay(load(file), desk.tools)).end


def many(count: int) -> dict[str, Any]:
    """A schema of so many values."""
    return {"anyOf": [{}] * (count - 1)}


async def test_a_schema_of_very_many_parts_is_refused_before_it_is_looked_at() -> None:
    """Each part takes half a millisecond to check, in which a door does nothing else."""
    desk = AgentDesk()
    started = time.perf_counter()
    for schema in (many(100_000), {"anyOf": [1] * 100_000}):
        error = await refused(desk, config={"output_schema": schema})
        assert ["input_data.agent_config"] == list(error)
    with pytest.raises(InvalidRequest, match="2000 values"):
        await desk.define("scout", output_schema=many(20_000))
    assert time.perf_counter() - started < 5
    error = await refused(desk, config={"output_schema": {"anyOf": [1] * 300}})
    assert 100 >= len(error) > 0
