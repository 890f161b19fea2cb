"""Forks of agents' tasks: what they replay, what they do themselves."""

import pytest

from agentkit.messages import ToolMessage
from agentkit.testing import RecordingTool, call
from ops_core.log import EventType
from ops_core.task import Reason, Status
from support.agent_desk import AgentDesk

pytestmark = pytest.mark.unit

SEND = ("send", {"text": "a"})


def told(llm: object) -> list[str]:
    """What the model read of its tools, at its last call."""
    messages = llm.requests[-1].messages  # type: ignore[attr-defined]
    return [message.text for message in messages if isinstance(message, ToolMessage)]


async def test_a_fork_goes_on_where_it_left_its_source_and_pays_for_no_more() -> None:
    """Model and tool are asked once in all for what is shared, and the bill counts the rest."""
    sent = RecordingTool("send", "sent")
    desk = AgentDesk(sent.tool)
    first = await desk.submit(tools=["send"])
    await desk.run(call(SEND), "Done.")
    forked = await desk.fork(first, await desk.seq_of(first, EventType.TOOL_COMPLETED))
    llm = await desk.run("Done otherwise.")
    task = await desk.task(forked)
    assert (["a"], 1) == (sent.calls, len(llm.requests))
    assert ({"output": "Done otherwise."}, 1) == (
        {"output": (task.result or {})["output"]},
        task.usage.steps,
    )
    assert 2 == (await desk.task(first)).usage.steps


@pytest.mark.parametrize("effect", ["pure", "idempotent", "unsafe"])
async def test_the_model_reads_the_result_that_the_fork_was_told(effect: str) -> None:
    """Whatever the tool's effect; the tool itself is not called."""
    sent = RecordingTool("send", "sent", effect)  # type: ignore[arg-type]
    desk = AgentDesk(sent.tool)
    first = await desk.submit(tools=["send"])
    await desk.run(call(SEND), "Done.")
    after = await desk.seq_of(first, EventType.TOOL_COMPLETED)
    forked = await desk.fork(first, after, tool_results={"1/tool/1": "refused"})
    assert ["refused"] == told(await desk.run("Oh."))
    assert (Status.COMPLETED, ["a"]) == ((await desk.task(forked)).status, sent.calls)


async def test_another_model_goes_on_with_the_steps_of_the_first() -> None:
    """Its name at a recorded step is not taken for a mistake."""
    desk = AgentDesk()
    first = await desk.submit(llm_model="small")
    await desk.run(call(("calculator", {"expression": "17 * 23"})), "391")
    after = await desk.seq_of(first, EventType.TOOL_COMPLETED)
    forked = await desk.fork(first, after, model="large")
    llm = await desk.run("It is 391.")
    assert ("large", ["391"]) == (llm.model, told(llm))
    assert Status.COMPLETED is (await desk.task(forked)).status


async def test_another_goal_is_put_to_the_model() -> None:
    """From the beginning, when nothing but the request is shared."""
    desk = AgentDesk()
    first = await desk.submit("Add.")
    await desk.run("Added.")
    await desk.fork(first, 1, goal="Multiply.")
    llm = await desk.run("Multiplied.")
    assert "Multiply." in str(llm.requests[0].messages)


async def test_without_overrides_a_fork_is_checked_as_a_replay_is() -> None:
    """A log that does not fit the program fails, naming the step."""
    desk = AgentDesk()
    first = await desk.submit(llm_model="small")
    await desk.run(call(("calculator", {"expression": "1"})), "1")
    forked = await desk.fork(first, await desk.seq_of(first, EventType.LLM_COMPLETED))
    row = desk.store._rows[("default", forked)]  # type: ignore[index]
    row.task.input_data["agent_config"]["llm_model"] = "large"
    await desk.run()
    task = await desk.task(forked)
    assert Reason.NONDETERMINISTIC == task.reason
    assert task.error is not None
    assert "Step 1/llm (llm large)" in task.error.message


async def test_an_unsafe_call_under_way_is_not_made_by_the_fork() -> None:
    """It waits for a person, as its source would if its worker had died there."""
    sent = RecordingTool("send", "sent")
    desk = AgentDesk(sent.tool)
    first = await desk.submit(tools=["send"])
    await desk.run(call(SEND), "Done.")
    forked = await desk.fork(first, await desk.seq_of(first, EventType.TOOL_DISPATCHED))
    await desk.run()
    task = await desk.task(forked)
    assert (Status.WAITING, Reason.EFFECT_UNKNOWN, ["a"]) == (task.status, task.reason, sent.calls)


async def test_an_open_question_is_asked_again_and_answered_in_the_fork() -> None:
    """The source still waits for its own answer."""
    desk = AgentDesk()
    first = await desk.submit(tools=["ask_user"])
    await desk.run(call(("ask_user", {"question": "Which?"})))
    forked = await desk.fork(first, await desk.seq_of(first, EventType.INPUT_REQUESTED))
    await desk.run()
    task = await desk.task(forked)
    assert (Status.WAITING, Reason.INPUT) == (task.status, task.reason)
    assert 1 == sum(e.type == EventType.INPUT_REQUESTED for e in await desk.log(forked))


async def test_an_approval_is_for_one_call() -> None:
    """Leave that the source was given is asked for again, and what the source did with leave is not."""
    from ops_core.answers import decision

    sent = RecordingTool("send", "sent")
    desk = AgentDesk(sent.tool)
    first = await desk.submit(tools=["send"], approve=["send"])
    await desk.run(call(SEND))
    allow = decision("1/tool/1/approval/1", "approve", None)
    await desk.store.signal("default", first, allow)
    await desk.run("Done.")
    before = await desk.fork(first, await desk.seq_of(first, EventType.APPROVAL_RESOLVED))
    await desk.run()
    assert Reason.APPROVAL == (await desk.task(before)).reason
    after = await desk.fork(first, await desk.seq_of(first, EventType.TOOL_COMPLETED))
    await desk.run("Done.")
    assert (Status.COMPLETED, ["a"]) == ((await desk.task(after)).status, sent.calls)
