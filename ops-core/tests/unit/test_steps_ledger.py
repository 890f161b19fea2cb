"""The ledger of a task's steps, folded from logs that real journals have written."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from ops_core import answers
from ops_core.children import Children
from ops_core.errors import FailedBeforeEffect
from ops_core.execute import Executor
from ops_core.journal import Journal, together
from ops_core.log import EventType, NewEvent
from ops_core.moves import complete
from ops_core.ports import Append, Lease, TaskLog
from ops_core.step import Step, idempotency_key
from ops_core.steps import MAX_SHOWN, StepEntry, StepStatus, steps_of
from ops_core.task import JsonObject, NewTask, Status, Task, Usage
from ops_core.testing import FrozenClock, MemoryStore
from ops_core.writer import StepWriter

pytestmark = pytest.mark.unit

MAIL = Step("1/mail", "mail", "send", {"to": "ann"}, "unsafe")
Body = Callable[[Task, TaskLog, Journal], Awaitable[JsonObject]]


class Handler:
    """A handler whose body is a function of the test."""

    def __init__(self, body: Body) -> None:
        self._body = body

    async def run(self, task: Task, log: TaskLog) -> JsonObject:
        return await self._body(task, log, Journal(task, log))


class Bench:
    """One task, run by whatever body a test gives, as often as it asks."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.store = MemoryStore(self.clock)

    async def run(self, body: Body) -> list[StepEntry]:
        """The steps after one run of the task."""
        await self.store.beat("w", ["default"], slots=1, running=0)
        if not self.store._rows:
            await self.submit("t")
        [task] = await self.store.claim("w", ["default"], 1)
        writer = StepWriter(self.store)
        executor = Executor(self.store, writer, {"x": Handler(body)})
        writing = asyncio.create_task(writer.run())
        await executor.execute(executor.open(task))
        writing.cancel()
        return await self.steps()

    async def submit(self, task_id: str, **fields: Any) -> None:
        new = NewTask(task_id=task_id, tenant_id="d", task_type="x", input_data={}, **fields)
        await self.store.submit(new)

    async def steps(self) -> list[StepEntry]:
        return steps_of("t", await self.store.log("d", "t"))

    async def status(self) -> Status:
        return (await self.store.get("d", "t")).status


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def sent() -> str:
    return "sent"


async def broken() -> str:
    raise OSError("the line went dead")


async def mail(_task: Task, _log: TaskLog, journal: Journal) -> JsonObject:
    return {"output": await journal.record(MAIL, sent)}


async def broken_mail(_task: Task, _log: TaskLog, journal: Journal) -> JsonObject:
    return {"output": await journal.record(MAIL, broken)}


async def test_an_unsafe_call_is_one_row_with_its_key(bench: Bench) -> None:
    """The intent and the end are two events of one step."""
    [row] = await bench.run(mail)
    assert ("1/mail", "mail", "send", "unsafe") == (row.step, row.kind, row.name, row.effect)
    assert (StepStatus.COMMITTED, {"to": "ann"}, "sent") == (row.status, row.arguments, row.output)
    assert (idempotency_key("t", "1/mail"), 1, 1) == (row.key, row.attempt, row.generation)
    assert (bench.clock(), bench.clock()) == (row.started_at, row.finished_at)


async def test_a_call_under_way_is_dispatched(bench: Bench) -> None:
    """While it runs: its intent is on record, its end is not."""
    seen: list[StepEntry] = []

    async def look() -> None:
        seen.extend(await bench.steps())

    async def body(_task: Task, _log: TaskLog, journal: Journal) -> JsonObject:
        await journal.record(MAIL, look)
        return {}

    await bench.run(body)
    assert [StepStatus.DISPATCHED] == [row.status for row in seen]


@pytest.mark.parametrize(
    ("outcome", "status", "output"),
    [
        ("happened", StepStatus.COMMITTED, "it arrived"),
        ("run_again", StepStatus.RESERVED, None),
        ("fail", StepStatus.FAILED, None),
    ],
)
async def test_a_call_in_doubt_shows_what_a_person_said(
    bench: Bench, outcome: answers.EffectOutcome, status: StepStatus, output: str | None
) -> None:
    """First why nobody knows, then the word and what it made of the step."""
    [row] = await bench.run(broken_mail)
    assert (StepStatus.UNKNOWN, None) == (row.status, row.resolution)
    assert "it raised OSError; the worker's log has the rest" == row.why
    [wait] = (await bench.store.get("d", "t")).waiting_for or []
    assert ("effect_unknown", "1/mail") == (wait["reason"], wait["step"])
    await bench.store.signal("d", "t", answers.resolution("1/mail", outcome, output))
    [row] = await bench.steps()
    assert (status, output) == (row.status, row.output)
    assert {"outcome": outcome, "result": output} == row.resolution


async def test_a_call_that_is_made_again_stays_one_row(bench: Bench) -> None:
    """After a person's word it ends like any other."""
    await bench.run(broken_mail)
    await bench.store.signal("d", "t", answers.resolution("1/mail", "run_again", None))
    [row] = await bench.run(mail)
    assert (StepStatus.COMMITTED, "sent", None) == (row.status, row.output, row.why)
    assert {"outcome": "run_again", "result": None} == row.resolution


async def test_a_call_that_was_given_up_is_in_doubt_again_after_a_retry(bench: Bench) -> None:
    """Whoever retries the task is asked once more."""
    await bench.run(broken_mail)
    await bench.store.signal("d", "t", answers.resolution("1/mail", "fail", None))
    [row] = await bench.run(mail)
    assert (StepStatus.FAILED, Status.FAILED) == (row.status, await bench.status())
    await bench.store.retry("d", "t")
    [row] = await bench.run(mail)
    assert (StepStatus.UNKNOWN, Status.WAITING) == (row.status, await bench.status())


async def test_a_call_that_failed_before_its_effect_may_be_made_again(bench: Bench) -> None:
    """It is `reserved`, and says why."""

    async def refused() -> str:
        raise FailedBeforeEffect("no such mailbox")

    async def body(_task: Task, _log: TaskLog, journal: Journal) -> JsonObject:
        await journal.record(MAIL, refused)
        return {}

    [row] = await bench.run(body)
    assert (StepStatus.RESERVED, "no such mailbox") == (row.status, row.why)


async def wait_for_all(_task: Task, _log: TaskLog, journal: Journal) -> JsonObject:
    """Everything that a program can wait for, side by side."""
    await together(
        journal.ask("q", {"question": "Which?"}),
        journal.approve("a", {"question": "May I?", "tool": "pay", "arguments": {"n": 1}}),
        journal.sleep("s", 60),
    )
    return {}


async def test_what_is_waited_for_is_told_before_and_after(bench: Bench) -> None:
    """A question, an approval and a timer wait; then each has what came."""
    rows = {row.step: row for row in await bench.run(wait_for_all)}
    assert ["q", "a", "s"] == list(rows)
    assert {StepStatus.WAITING} == {row.status for row in rows.values()}
    assert ["input", "approval", "timer"] == [row.kind for row in rows.values()]
    assert ({"question": "Which?"}, "pay") == (rows["q"].arguments, rows["a"].name)

    bench.clock.advance(61)
    await bench.store.signal("d", "t", answers.answer("q", "the blue one"))
    await bench.store.signal("d", "t", answers.decision("a", "approve", "go on"))
    rows = {row.step: row for row in await bench.run(wait_for_all)}
    assert {StepStatus.COMMITTED} == {row.status for row in rows.values()}
    assert Status.COMPLETED is await bench.status()
    assert ("the blue one", {"answer": "the blue one"}) == (rows["q"].output, rows["q"].resolution)
    assert {"decision": "approve", "comment": "go on"} == rows["a"].resolution
    assert {61.0} == {row.duration_s for row in rows.values()}


async def test_children_are_one_row_each_and_one_for_the_wait(bench: Bench) -> None:
    """The wait shows how those that have ended did."""
    await bench.submit("t")

    async def start(request: JsonObject, key: str) -> str:
        child = f"child_{request['n']}"
        await bench.submit(child, parent_task_id="t", priority=-1)
        return child

    async def body(task: Task, log: TaskLog, _journal: Journal) -> JsonObject:
        children = Children(task, log, start)
        ids = [await children.start(f"c{n}", {"n": n}) for n in range(2)]
        return {"ended": [end.task_id for end in await children.wait("w", ids)]}

    first, second, wait = await bench.run(body)
    assert ["child", "child", "children"] == [row.kind for row in (first, second, wait)]
    assert {"child_task_id": "child_0"} == first.output
    assert (StepStatus.WAITING, None) == (wait.status, wait.output)

    for _ in range(2):
        [child] = await bench.store.claim("w", ["default"], 1)
        lease = Lease("d", child.task_id, "w", child.epoch)
        await bench.store.settle(lease, complete({}))
    await bench.store.tell_ends(10)
    *_, wait = await bench.run(body)
    assert (StepStatus.COMMITTED, ["completed"] * 2) == (
        wait.status,
        [end["status"] for end in wait.output],
    )


async def test_a_model_call_has_its_bill_and_its_time(bench: Bench) -> None:
    """Only its end is an event: when it began is told from how long it took."""
    usage = {"input_tokens": 100, "output_tokens": 10}

    async def body(_task: Task, log: TaskLog, _journal: Journal) -> JsonObject:
        said = {"path": "1/llm", "step": 1, "model": "m", "text": "hi", "tool_calls": []}
        bill = {"usage": usage, "cost_usd": "0.01", "duration_s": 2.5}
        await log.append(NewEvent(type=EventType.LLM_COMPLETED, data=said | bill))
        return {}

    [row] = await bench.run(body)
    assert ("llm", "m", usage, "0.01") == (row.kind, row.name, row.usage, row.cost_usd)
    assert ({"text": "hi", "tool_calls": []}, 2.5) == (row.output, row.duration_s)
    assert bench.clock() - timedelta(seconds=2.5) == row.started_at


async def test_a_long_value_is_shown_by_its_beginning(bench: Bench) -> None:
    """A list of steps stays small, and says that there is more."""

    async def long() -> list[str]:
        return ["x" * MAX_SHOWN]

    async def body(_task: Task, _log: TaskLog, journal: Journal) -> JsonObject:
        await journal.record(MAIL, long)
        return {}

    [row] = await bench.run(body)
    assert (True, MAX_SHOWN) == (row.truncated, len(row.output))


async def test_a_step_belongs_to_the_generation_that_made_it(bench: Bench) -> None:
    """A retry keeps what is finished; what it makes is its own."""
    steps = [Step(str(n), "look", "look", None, "pure") for n in range(2)]

    async def fails(_task: Task, _log: TaskLog, journal: Journal) -> JsonObject:
        await journal.record(steps[0], sent)
        raise ValueError("a bug")

    async def works(_task: Task, _log: TaskLog, journal: Journal) -> JsonObject:
        return {"all": [await journal.record(step, sent) for step in steps]}

    await bench.run(fails)
    while await bench.status() is Status.PENDING:  # other attempts
        bench.clock.advance(1000)
        await bench.run(fails)
    await bench.store.retry("d", "t")
    rows = await bench.run(works)
    assert [("0", 1), ("1", 2)] == [(row.step, row.generation) for row in rows]
    assert ["pure", "pure"] == [row.effect for row in rows]


async def test_events_of_a_newer_build_are_left_out(bench: Bench) -> None:
    """What is additive there does not break the list here."""
    rows = await bench.run(mail)
    await bench.submit("u")
    [task] = await bench.store.claim("w", ["default"], 1)
    odd = NewEvent(type="dream.seen", data={"path": "9"})  # type: ignore[arg-type]
    await bench.store.append([Append(Lease("d", "u", "w", task.epoch), [odd], Usage())])
    assert 1 == len(rows)
    assert [] == steps_of("u", await bench.store.log("d", "u"))
