"""Whatever a model replies: runs end, requests are whole, and a replay makes the same moves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit import (
    Agent,
    AllowList,
    InMemoryJournal,
    Limits,
    PlanExecutePlanner,
    ReActPlanner,
    ShortTermMemory,
    SimplePlanner,
)
from agentkit.errors import LimitExceeded, ModelMisbehaved
from agentkit.events import Event
from agentkit.messages import AssistantMessage, Message, Reply, ToolMessage, Usage
from agentkit.planning import Planner
from agentkit.testing import RecordingTool, ScriptedLlm, answer, call

PLANNERS = pytest.mark.parametrize(
    "planner",
    [ReActPlanner(), SimplePlanner(), PlanExecutePlanner()],
    ids=lambda p: type(p).__name__,
)

TOOLS = st.sampled_from(["look", "broken", "denied", "unknown"])

TEXTS = st.sampled_from(["x", "${a}", "${a/0}", "${a/7}", "see ${a} and $${b}", "${z}", "y" * 400])

CALLS = st.lists(st.tuples(TOOLS, TEXTS.map(lambda text: {"text": text})), min_size=1, max_size=3)

STEPS = st.builds(
    lambda name, tool, text, after: {
        "id": name,
        "tool": tool,
        "arguments": {"text": text},
        "after": after,
    },
    st.sampled_from("abcd"),
    TOOLS,
    TEXTS,
    st.lists(st.sampled_from("abcd"), max_size=1),
)

PLANS = st.lists(STEPS, max_size=4).map(lambda steps: answer(json.dumps({"steps": steps})))

REPLIES = st.one_of(
    PLANS,
    PLANS,
    CALLS.map(lambda calls: call(*calls, thought="I look.")),
    st.sampled_from([answer("Done."), answer("[]")]),
    st.sampled_from(
        [
            Reply(AssistantMessage("No"), Usage(1, 1), "length", "scripted"),
            Reply(AssistantMessage("No"), Usage(1, 1), "refused", "scripted"),
        ]
    ),
)


def agent(planner: Planner, llm: ScriptedLlm, max_tokens: int, **options: Any) -> Agent:
    tools = [
        RecordingTool("look", '["found", {"deep": 1}]', "pure"),
        RecordingTool("broken", ValueError("out of order"), "pure"),
        RecordingTool("denied", "never", "pure"),
    ]
    return Agent(
        llm,
        tools=[] if isinstance(planner, SimplePlanner) else [one.tool for one in tools],
        planner=planner,
        memory=ShortTermMemory(max_tokens=max_tokens),
        security=AllowList(["look", "broken"]),
        limits=Limits(steps=12),
        **options,
    )


async def story(running: Agent) -> list[Event | str]:
    """The events of a run, and how it ended when it raised."""
    events: list[Event | str] = []
    try:
        async for event in running.stream("goal"):
            events.append(event)  # noqa: PERF401  what came before an error counts
    except (LimitExceeded, ModelMisbehaved) as error:
        events.append(error.type)
    return events


def orphans(messages: tuple[Message, ...]) -> list[Message]:
    """Observations without their call before them, and calls without all their observations."""
    lost: list[Message] = []
    open_calls: set[str] = set()
    asking: AssistantMessage | None = None
    for message in messages:
        if isinstance(message, ToolMessage):
            lost += [] if message.call_id in open_calls else [message]
            open_calls.discard(message.call_id)
            continue
        lost += [asking] if asking is not None and open_calls else []
        asking = message if isinstance(message, AssistantMessage) else None
        open_calls = {one.id for one in asking.tool_calls} if asking is not None else set()
    return lost + ([asking] if asking is not None and open_calls else [])


@PLANNERS
@settings(max_examples=60)
@given(
    script=st.lists(REPLIES, min_size=1, max_size=10),
    max_tokens=st.sampled_from([1, 200, 16_000]),
)
async def test_runs_end_and_requests_are_whole(
    planner: Planner, script: list[Reply], max_tokens: int
) -> None:
    """With an answer, a reason or a limit; no request has half of a call, and no replay differs."""
    journal = InMemoryJournal()
    llm = ScriptedLlm([*script, *[answer("Done.")] * 30])
    first = await story(agent(planner, llm, max_tokens, journal=journal))
    last = first[-1]
    misbehaved = ("output_invalid", "model_misbehaved")
    ended = ("limit_exceeded", *misbehaved)
    assert last in ended or getattr(last, "kind", "") == "finished"
    assert [] == [lost for request in llm.requests for lost in orphans(request.messages)]
    replay = agent(planner, ScriptedLlm([]), max_tokens, journal=InMemoryJournal(journal.records))
    if last not in misbehaved:  # what is no reply is not recorded
        assert first == await story(replay)
