"""RunContext: what a tool asks of its run is recorded, and answers a replay the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest

from agentkit import Agent, AllowList, InMemoryJournal, RunContext, Tool, tool
from agentkit.context import ChildResult, StepFailed
from agentkit.errors import FailedBeforeEffect, UsageError
from agentkit.events import ToolFinished
from agentkit.journal import Record, Step, UnknownOutcome
from agentkit.testing import FrozenClock, RecordingTool, ScriptedLlm, answer, call

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


async def observed(
    *tools: Tool, journal: InMemoryJournal | None = None, **options: Any
) -> list[str]:
    """What the model is shown of one call of each tool, made at the same time."""
    names = [tool.name for tool in tools]
    llm = ScriptedLlm([call(*((name, {}) for name in names)), answer("done")])
    agent = Agent(llm, tools=tools, security=AllowList(names), journal=journal, **options)
    events = (await agent.run("goal")).events
    return [event.observation.text for event in events if isinstance(event, ToolFinished)]


def rerun(records: tuple[Record, ...], path: str = "1/tool/1") -> list[Record]:
    """The records of a run whose process died right before this step was recorded."""
    return [record for record in records if record.path != path]


class Lost(BaseException):
    """What the process dies of."""


class DyingJournal(InMemoryJournal):
    """Lets the process die in the place of recording some steps; what waits, waits for ever."""

    def __init__(self, *dying: str, **options: Any) -> None:
        super().__init__(**options)
        self.seen: list[str] = []
        self._dying = dying

    async def record(self, step: Step, run: Any) -> Any:
        self.seen.append(step.path)
        if step.path in self._dying:
            raise Lost(step.path)
        return await super().record(step, run)


@pytest.mark.parametrize("kind", [RunContext, RunContext | None, Annotated[RunContext, "a note"]])
def test_the_model_is_not_told_of_the_context(kind: Any) -> None:
    """The parameter is in neither the schema nor what a model may give."""

    async def looking(what: str, ctx: Any = None) -> str:
        """Look."""
        return what

    looking.__annotations__["ctx"] = kind
    look = tool(effect="pure")(looking)

    assert ["what"] == list(look.spec.parameters["properties"])
    assert {"what": "a"} == look.parse({"what": "a"})


async def looks(ctx: RunContext, again: RunContext) -> None:
    """Look."""


async def writes(ctx: RunContext) -> None:
    """Write."""


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: tool(writes), "Put its effects into ctx.step"),
        (lambda: tool(effect="pure", retries=1)(writes), "Repeat inside ctx.step"),
        (lambda: tool(effect="pure")(looks), "one RunContext is enough, not ctx, again"),
    ],
)
def test_a_tool_that_could_not_be_replayed_is_refused(make: Callable[[], Tool], said: str) -> None:
    """What a replay would repeat or count anew is found when the tool is made."""
    with pytest.raises(UsageError, match=said):
        make()


async def test_time_and_chance_are_recorded() -> None:
    """The body that is run again sees the moments and the numbers of the first run."""
    seen: list[tuple[datetime, float, datetime]] = []
    clock = FrozenClock(NOON)

    @tool(effect="pure")
    async def look(ctx: RunContext) -> None:
        """Look."""
        first, number = await ctx.now(), await ctx.random()
        clock.advance(60)
        seen.append((first, number, await ctx.now()))

    journal = InMemoryJournal()
    await observed(look, journal=journal, clock=clock)
    await observed(look, journal=InMemoryJournal(rerun(journal.records)), clock=clock)
    assert (2, 1) == (len(seen), len(set(seen)))
    assert (NOON, 12, 1) == (seen[0][0], seen[0][2].hour, seen[0][2].minute)
    assert 0 <= seen[0][1] < 1


async def test_paths_count_each_kind_in_program_order() -> None:
    """Two calls of one step do not share their counts, and neither do two kinds."""

    @tool(effect="pure")
    async def look(ctx: RunContext) -> None:
        """Look."""
        await asyncio.gather(ctx.now(), ctx.now())
        await ctx.random()
        await ctx.step("note", _nothing, effect="pure")

    journal = InMemoryJournal()
    two = call(("look", {}), ("look", {}))
    await Agent(
        ScriptedLlm([two, answer("done")]),
        tools=[look],
        security=AllowList(["look"]),
        journal=journal,
    ).run("goal")
    inside = ["clock/1", "clock/2", "random/1", "value/1"]
    expected = [f"1/tool/{order}/{path}" for order in (1, 2) for path in inside]
    assert expected == sorted(r.path for r in journal.records if r.path.count("/") == 4)


async def _nothing() -> None:
    pass


async def test_an_idempotency_key_is_the_same_in_every_replay() -> None:
    """It depends on the run and the path of the call, and on nothing else."""
    keys: list[str] = []

    @tool(effect="idempotent")
    def pay(ctx: RunContext) -> None:
        """Pay."""
        keys.append(ctx.idempotency_key)

    journal = InMemoryJournal()
    await observed(pay, journal=journal)
    await observed(pay, journal=InMemoryJournal(rerun(journal.records), run_id=journal.run_id))
    await observed(pay, journal=InMemoryJournal())
    assert keys[0] == keys[1] != keys[2]
    assert 64 == len(keys[0])


async def test_a_step_of_a_tool_runs_once() -> None:
    """Its value is given to the body that is run again; a key error there would be the same one."""
    effect: list[str] = []

    @tool(effect="pure")
    async def order(ctx: RunContext) -> object:
        """Order."""

        async def send() -> dict[str, object]:
            effect.append("sent")
            return {"id": len(effect), "at": NOON}

        return await ctx.step("send", send, arguments={"to": "Ada"})

    journal = InMemoryJournal()
    first = await observed(order, journal=journal)
    assert ['{"id":1,"at":"2026-07-01T12:00:00Z"}'] == first
    assert first == await observed(order, journal=InMemoryJournal(rerun(journal.records)))
    assert ["sent"] == effect


@pytest.mark.parametrize(
    ("raised", "effect", "kind", "said"),
    [
        (OSError("reset"), "pure", StepFailed, "send failed: OSError: reset"),
        (OSError("reset"), "unsafe", StepFailed, "may have taken effect.*: OSError: reset"),
        (FailedBeforeEffect("no route"), "unsafe", FailedBeforeEffect, "no route"),
        (object(), "unsafe", StepFailed, "Unable to serialize"),
    ],
)
async def test_a_step_that_fails_fails_again(
    raised: object, effect: Any, kind: type[Exception], said: str
) -> None:
    """The first run and the replay raise the same, and what failed is not run again."""
    tries: list[int] = []

    async def send() -> object:
        tries.append(1)
        if isinstance(raised, Exception):
            raise raised
        return raised

    records: tuple[Record, ...] = ()
    for _ in range(2):
        journal = InMemoryJournal(records)
        with pytest.raises(kind, match=said):
            await RunContext(journal, "1/tool/1").step("send", send, effect=effect)
        records = journal.records
    assert [1] == tries


async def test_an_unsafe_step_in_doubt_is_the_journals_to_settle() -> None:
    """A journal that can ask a person gets the doubt in words, and can record what it is told."""

    class Asking(InMemoryJournal):
        async def record(self, step: Step, run: Any) -> Any:
            with pytest.raises(UnknownOutcome, match="send failed: OSError: reset"):
                await run()
            assert step.reported is not None
            return step.reported("It was sent.", False)

    async def send() -> None:
        raise OSError("reset")

    assert "It was sent." == await RunContext(Asking(), "1/tool/1").step("send", send)


async def test_a_timeout_of_the_tool_leaves_its_unsafe_step_in_doubt() -> None:
    """The doubt is recorded before the model reads of the timeout."""

    @tool(effect="pure", timeout_s=0.01)
    async def order(ctx: RunContext) -> None:
        """Order."""
        await ctx.step("send", asyncio.Event().wait)

    journal = InMemoryJournal()
    assert ["order took longer than 0.01 s."] == await observed(order, journal=journal)
    recorded = {record.path: record.value for record in journal.records}
    assert "cut off by the timeout of its tool" in str(recorded["1/tool/1/value/1"])


async def test_a_step_may_not_ask_the_run() -> None:
    """Inside a step nothing can be asked: a replay, which does not run it, would count otherwise."""

    @tool(effect="pure")
    async def order(ctx: RunContext) -> None:
        """Order."""
        await ctx.step("send", ctx.now)

    with pytest.raises(UsageError, match="now was asked inside"):
        await observed(order)


async def test_a_context_ends_with_its_call() -> None:
    """A task that a tool leaves behind can ask nothing more."""
    kept: list[RunContext] = []

    @tool(effect="pure")
    async def look(ctx: RunContext) -> None:
        """Look."""
        kept.append(ctx)

    await observed(look)
    with pytest.raises(UsageError, match="after the call"):
        await kept[0].now()


async def test_what_a_call_left_running_settles_first() -> None:
    """A gather that fails leaves a branch behind: its effect is recorded before the call ends."""
    gate = asyncio.Event()

    @tool(effect="pure")
    async def order(ctx: RunContext) -> None:
        """Order."""

        async def fail() -> None:
            gate.set()
            raise OSError("reset")

        async def slow() -> str:
            await gate.wait()
            return await asyncio.to_thread(str.upper, "sent")

        await asyncio.gather(ctx.step("fail", fail, effect="pure"), ctx.step("slow", slow))

    journal = InMemoryJournal()
    assert "StepFailed: fail failed" in (await observed(order, journal=journal))[0]
    paths = [record.path for record in journal.records]
    assert paths.index("1/tool/1/value/2") < paths.index("1/tool/1")


async def swallowing(ctx: RunContext) -> str:
    try:
        await ctx.ask("Go on?")
    except Exception:  # noqa: BLE001  a tool as careless as this
        return "swallowed"
    return "answered"


async def swallowing_all(ctx: RunContext) -> str:
    try:
        await ctx.ask("Go on?")
    except BaseException:  # noqa: BLE001  a tool as careless as this
        return "swallowed"
    return "answered"


async def insisting(ctx: RunContext) -> str:
    await asyncio.gather(ctx.ask("Go on?"), return_exceptions=True)
    await ctx.step("send", _nothing)
    return "sent"


async def grouping(ctx: RunContext) -> str:
    async with asyncio.TaskGroup() as group:
        group.create_task(ctx.ask("Go on?"))
    return "answered"


@pytest.mark.parametrize("body", [swallowing, swallowing_all, insisting, grouping])
async def test_no_tool_holds_what_the_journal_raises(body: Callable[..., Any]) -> None:
    """It leaves the run as it was raised, and the call does nothing more."""
    body.__doc__ = "Go on."
    going = tool(name="go", effect="pure")(body)
    journal = DyingJournal("1/tool/1/input/1")
    with pytest.raises(Lost, match="1/tool/1/input/1"):
        await observed(going, journal=journal)
    assert ["1/llm", "1/tool/1", "1/tool/1/input/1"] == journal.seen


async def test_a_tool_does_not_take_its_way_out_when_it_is_stopped() -> None:
    """What it would do about a failure is not done: nothing failed, the run only stops."""
    went: list[str] = []

    @tool(effect="pure")
    async def go(ctx: RunContext) -> None:
        """Go on."""
        try:
            await ctx.ask("Go on?")
        except Exception:  # noqa: BLE001  a tool as careless as this
            went.append("another way")

    with pytest.raises(Lost):
        await observed(go, journal=DyingJournal("1/tool/1/input/1"))
    assert [] == went


async def test_every_branch_reaches_its_own_wait() -> None:
    """Calls and branches of a call that all wait are all seen; the first in program order goes out."""

    @tool(effect="pure")
    async def first(ctx: RunContext) -> str:
        """Ask after a while."""
        await asyncio.to_thread(str)
        return await ctx.ask("First?")

    @tool(effect="pure")
    async def second(ctx: RunContext) -> list[str]:
        """Ask two things at once."""
        return list(await asyncio.gather(ctx.ask("Second?"), ctx.ask("Third?")))

    waits = ["1/tool/1/input/1", "1/tool/2/input/1", "1/tool/2/input/2"]
    journal = DyingJournal(*waits)
    with pytest.raises(Lost, match=waits[0]):
        await observed(first, second, journal=journal)
    assert waits == sorted(path for path in journal.seen if "input" in path)


async def test_a_neighbour_of_a_wait_is_finished_and_kept() -> None:
    """The call beside the one that waits is made once, and not again when the run goes on."""
    recording = RecordingTool("other")

    @tool(effect="pure")
    async def go(ctx: RunContext) -> str:
        """Go on when somebody says so."""
        return await ctx.ask("Go on?")

    def agent(journal: InMemoryJournal, *lines: Any) -> Agent:
        tools = [go, recording.tool]
        llm = ScriptedLlm(lines)
        return Agent(llm, tools=tools, security=AllowList(["go", "other"]), journal=journal)

    wish = call(("go", {}), ("other", {"text": "a"}))
    waiting = DyingJournal("1/tool/1/input/1")
    with pytest.raises(Lost):
        await agent(waiting, wish).run("goal")
    answered = InMemoryJournal(waiting.records, answer=_yes)
    assert "done" == (await agent(answered, answer("done")).run("goal")).output
    assert ["a"] == recording.calls


async def _yes(_: Step) -> str:
    return "yes"


async def test_time_does_not_run_while_a_call_waits() -> None:
    """A tool of ten milliseconds may wait longer; when it works again, its time runs again."""

    @tool(effect="pure", timeout_s=0.02)
    async def patient(ctx: RunContext) -> str:
        """Wait."""
        await asyncio.gather(ctx.sleep(1), ctx.sleep(2))
        return "waited"

    @tool(effect="pure", timeout_s=0.02)
    async def stuck(ctx: RunContext) -> None:
        """Wait, then hang."""
        await ctx.sleep(1)
        await asyncio.Event().wait()

    async def nap(_: float) -> None:
        await asyncio.sleep(0.05)

    shown = await observed(patient, stuck, journal=InMemoryJournal(sleep=nap))
    assert ["waited", "stuck took longer than 0.02 s."] == shown


async def test_children_run_and_are_waited_for() -> None:
    """Each goal becomes a task; the outcomes come in the order of the ids, failures among them."""

    async def run_child(goal: str, options: dict[str, Any]) -> str:
        if goal == "fail":
            raise OSError("reset")
        return f"{goal} {options}"

    context = RunContext(InMemoryJournal(run_id="r", run_child=run_child), "1/tool/1")
    ids = [await context.start_child("a", agent="x"), await context.start_child("fail")]
    assert ["r/1/tool/1/child/1", "r/1/tool/1/child/2"] == ids
    assert [
        ChildResult(ids[0], "completed", "a {'agent': 'x'}"),
        ChildResult(ids[1], "failed", error="OSError: reset"),
    ] == await context.wait_children(ids)


async def test_any_child_is_enough() -> None:
    """With need=1 the slow one is not waited for."""
    gate = asyncio.Event()

    async def run_child(goal: str, _: dict[str, Any]) -> str:
        if goal == "slow":
            await gate.wait()
        return goal

    context = RunContext(InMemoryJournal(run_child=run_child), "1/tool/1")
    ids = [await context.start_child(goal) for goal in ("slow", "fast")]
    assert [ChildResult(ids[1], "completed", "fast")] == await context.wait_children(ids, need=1)
    gate.set()
    assert 2 == len(await context.wait_children(ids))


async def test_a_replay_starts_only_children_that_it_still_needs() -> None:
    """A child that was waited for is not run again; one that was not is."""
    ran: list[str] = []

    async def run_child(goal: str, _: dict[str, Any]) -> str:
        ran.append(goal)
        return goal

    async def body(context: RunContext) -> list[ChildResult]:
        first, second = await context.start_child("a"), await context.start_child("b")
        return [*await context.wait_children([first]), *await context.wait_children([second])]

    journal = InMemoryJournal(run_id="r", run_child=run_child)
    results = await body(RunContext(journal, "1/tool/1"))
    earlier = rerun(journal.records, "1/tool/1/children/2")
    again = InMemoryJournal(earlier, run_id="r", run_child=run_child)
    assert results == await body(RunContext(again, "1/tool/1"))
    assert ["a", "b", "b"] == ran


@pytest.mark.parametrize(("ids", "need"), [([], None), (["a"], 2), (["a"], 0)])
async def test_a_wait_that_could_not_end_is_refused(ids: list[str], need: int | None) -> None:
    """More than there are, or none, cannot be waited for."""
    with pytest.raises(UsageError, match="cannot be waited for"):
        await RunContext(InMemoryJournal(), "1/tool/1").wait_children(ids, need)


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
async def test_a_sleep_that_is_none_is_refused(seconds: float) -> None:
    """Time does not go back."""
    with pytest.raises(UsageError, match="from 0 on"):
        await RunContext(InMemoryJournal(), "1/tool/1").sleep(seconds)


async def test_a_tool_called_by_itself_has_a_run_of_its_own() -> None:
    """A test of a tool needs no agent."""

    @tool(effect="pure")
    async def look(ctx: RunContext) -> str:
        """Look."""
        return str((await ctx.now()).tzinfo)

    assert "UTC" == await look.call({})
