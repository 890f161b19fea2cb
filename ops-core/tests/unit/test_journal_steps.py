"""The journal: what is recorded is not done again, and an unsafe call never without a person's word."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

import pytest
from journal_support import Program, a_program

from ops_core.children import Children
from ops_core.effects import under_way, unknown_effects
from ops_core.errors import FailedBeforeEffect, TaskFailed, TaskWaits, UnknownOutcome
from ops_core.journal import Journal, together
from ops_core.log import Event, EventType, NewEvent
from ops_core.replay import read
from ops_core.step import Effect, Step
from ops_core.task import Reason

pytestmark = pytest.mark.unit

PATH = "1/tool/1"


@pytest.fixture
async def program() -> Program:
    return await a_program()


class Call:
    """An effect on the world; `calls` counts how often it was made."""

    def __init__(self, *outcomes: object) -> None:
        self.calls = 0
        self._outcomes = list(outcomes)

    async def __call__(self) -> object:
        self.calls += 1
        outcome = self._outcomes.pop(0) if self._outcomes else "done"
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


Body = Callable[[Journal, Children], Awaitable[object]]


def one_step(run: Call, effect: Effect = "unsafe", path: str = PATH) -> Body:
    async def body(journal: Journal, _: Children) -> object:
        return await journal.record(Step(path, "tool", "pay", {"n": 1}, effect), run)

    return body


async def died(program: Program, effect: Effect = "unsafe") -> None:
    """A worker dies in the call."""

    async def body(journal: Journal, _: Children) -> object:
        return await journal.record(Step(PATH, "tool", "pay", {"n": 1}, effect), forever)

    async def forever() -> object:
        entered.set()
        await asyncio.Event().wait()
        return None

    entered = asyncio.Event()
    run = asyncio.create_task(program.run(body))
    began = asyncio.create_task(entered.wait())
    await asyncio.wait({run, began}, return_when=asyncio.FIRST_COMPLETED)
    assert began.done(), "the call was not made"
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)


@pytest.mark.parametrize("effect", ["pure", "idempotent", "unsafe"])
async def test_a_finished_step_is_not_made_again(program: Program, effect: Effect) -> None:
    """A later run gets what the first one recorded, null too."""
    call = Call(None)
    assert None is await program.run(one_step(call, effect))
    before = program.kept.types()
    assert None is await program.run(one_step(call, effect))
    assert (1, before) == (call.calls, program.kept.types())


async def test_an_unsafe_call_is_on_disk_before_it_is_made(program: Program) -> None:
    """The intent first; the result follows it."""
    seen: list[str] = []

    class Looking(Call):
        async def __call__(self) -> object:
            seen.extend(program.kept.types())
            return await super().__call__()

    await program.run(one_step(Looking()))
    assert [EventType.TOOL_DISPATCHED] == seen
    assert [EventType.TOOL_DISPATCHED, EventType.TOOL_COMPLETED] == program.kept.types()


@pytest.mark.parametrize("effect", ["pure", "idempotent"])
async def test_a_harmless_call_is_made_again_after_a_death(
    program: Program, effect: Effect
) -> None:
    """No intent, no question: the next run makes it."""
    await died(program, effect)
    assert [] == program.kept.types()
    assert "done" == await program.run(one_step(Call(), effect))


async def test_an_idempotent_call_carries_the_same_key_in_every_run(program: Program) -> None:
    """The key depends on the task and the path, and on nothing else."""

    async def body(journal: Journal, _: Children) -> list[str]:
        return [journal.idempotency_key(path) for path in (PATH, "2/tool/1")]

    keys = await program.run(body)
    assert keys == await program.run(body)
    assert hashlib.sha256(b"t\n1/tool/1").hexdigest() == keys[0]
    assert 2 == len(set(keys))


async def test_an_unsafe_call_whose_worker_died_is_asked_about(program: Program) -> None:
    """It is not made again; a person is shown the call, once for all the runs that follow."""
    await died(program)
    call = Call()
    for _ in range(2):
        [wait] = await program.waits(one_step(call))
        assert (Reason.EFFECT_UNKNOWN, PATH, "pay", {"n": 1}) == (
            wait.reason,
            wait.step,
            wait.detail["tool"],
            wait.detail["arguments"],
        )
    assert 0 == call.calls
    [doubt] = program.kept.data(EventType.TOOL_UNKNOWN)
    assert "its worker died while it ran" == doubt["why"]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (UnknownOutcome("it timed out"), "it timed out"),
        (ValueError("boom"), "it raised ValueError; the worker's log has the rest"),
    ],
)
async def test_an_unsafe_call_that_raises_is_asked_about(
    program: Program, error: Exception, why: str
) -> None:
    """Nothing can be known from an error that the call did not foresee."""
    call = Call(error)
    [wait] = await program.waits(one_step(call))
    assert (Reason.EFFECT_UNKNOWN, why) == (wait.reason, wait.detail["why"])
    await program.waits(one_step(call))
    assert 1 == call.calls


async def test_what_a_person_says_happened_is_the_value(program: Program) -> None:
    """For ever; the call is not made."""
    await died(program)
    await program.waits(one_step(Call()))
    program.kept.resolve(PATH, "happened", {"id": 7})
    call = Call()
    assert {"id": 7} == await program.run(one_step(call))

    async def translated(journal: Journal, _: Children) -> object:
        step = Step(PATH, "tool", "pay", {"n": 1})
        return await journal.record(step, call, happened=lambda said: f"told: {said['id']}")

    assert "told: 7" == await program.run(translated)
    assert 0 == call.calls


async def test_a_persons_word_is_on_the_call_that_was_made(program: Program) -> None:
    """A program that changed meanwhile does not take it for another call."""
    await died(program)
    await program.waits(one_step(Call()))
    program.kept.resolve(PATH, "happened", "paid 1")

    async def changed(journal: Journal, _: Children) -> object:
        return await journal.record(Step(PATH, "tool", "pay", {"n": 2}), Call())

    with pytest.raises(TaskFailed, match=r"1/tool/1 \(tool pay\)"):
        await program.run(changed)


async def test_a_person_may_have_it_made_again(program: Program) -> None:
    """Once: should that call be lost too, they are asked again."""
    await died(program)
    await program.waits(one_step(Call()))
    program.kept.resolve(PATH, "run_again", None)
    await died(program)
    await program.waits(one_step(Call()))
    program.kept.resolve(PATH, "run_again", None)
    call = Call()
    assert "done" == await program.run(one_step(call))
    assert "done" == await program.run(one_step(call))
    assert (1, 3) == (call.calls, program.kept.types().count(EventType.TOOL_DISPATCHED))


async def test_a_person_may_fail_the_task_for_it(program: Program) -> None:
    """The call is not made, and the error says why."""
    await died(program)
    await program.waits(one_step(Call()))
    program.kept.resolve(PATH, "fail", None)
    call = Call()
    with pytest.raises(TaskFailed, match="a person decided") as failure:
        await program.run(one_step(call))
    assert ("effect_unknown", 0) == (failure.value.error_type, call.calls)


async def test_a_retry_asks_again_what_failed_the_task(program: Program) -> None:
    """Whoever retries the task has changed their mind, and the call is still in doubt."""
    await died(program)
    await program.waits(one_step(Call()))
    program.kept.resolve(PATH, "fail", None)
    program.kept.add(NewEvent(type=EventType.TASK_RETRIED))
    [wait] = await program.waits(one_step(Call()))
    why = "its worker died while it ran"
    assert (Reason.EFFECT_UNKNOWN, why) == (wait.reason, wait.detail["why"])
    assert 1 == program.kept.types().count(EventType.TOOL_UNKNOWN)
    program.kept.resolve(PATH, "happened", "paid")
    assert "paid" == await program.run(one_step(Call()))


async def test_a_call_that_failed_before_its_effect_may_be_made_again(program: Program) -> None:
    """By the same run and by a later one; what it raised passes through."""
    call = Call(FailedBeforeEffect("refused"), FailedBeforeEffect("refused"), "paid")

    async def twice(journal: Journal, _: Children) -> object:
        step = Step(PATH, "tool", "pay", {"n": 1})
        with pytest.raises(FailedBeforeEffect, match="refused"):
            await journal.record(step, call)
        return await journal.record(step, call)

    with pytest.raises(FailedBeforeEffect):
        await program.run(twice)
    assert "paid" == await program.run(one_step(call))
    assert "paid" == await program.run(one_step(call))
    assert 3 == call.calls
    assert ["refused"] * 2 == [data["why"] for data in program.kept.data(EventType.TOOL_FAILED)]


async def test_what_a_harmless_call_raises_is_not_recorded(program: Program) -> None:
    """It passes through, and the next run makes the call again."""
    call = Call(ValueError("boom"))
    with pytest.raises(ValueError, match="boom"):
        await program.run(one_step(call, "pure"))
    assert "done" == await program.run(one_step(call, "pure"))


@pytest.mark.parametrize("open_only", [False, True], ids=["finished", "begun"])
async def test_a_step_with_another_input_fails_naming_it(program: Program, open_only: bool) -> None:
    """The program changed: the task fails instead of mixing two runs."""
    if open_only:
        await died(program)
    else:
        await program.run(one_step(Call()))

    async def changed(journal: Journal, _: Children) -> object:
        return await journal.record(Step(PATH, "tool", "pay", {"n": 2}), Call())

    with pytest.raises(TaskFailed, match=r"1/tool/1 \(tool pay\)") as failure:
        await program.run(changed)
    assert ("nondeterministic", Reason.NONDETERMINISTIC) == (
        failure.value.error_type,
        failure.value.reason,
    )


async def test_a_log_of_a_later_journal_is_not_replayed(program: Program) -> None:
    """Better no run than a wrong one."""
    program.kept.add(
        NewEvent(type=EventType.STEP_RECORDED, journal={"v": 2, "path": "1", "value": 1})
    )
    with pytest.raises(TaskFailed, match="journal version 2"):
        await program.run(one_step(Call()))


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
async def test_branches_replay_in_whatever_order_they_were_committed(
    program: Program, order: tuple[int, int]
) -> None:
    """The path finds the value, not the place in the log."""
    gates = {n: asyncio.Event() for n in (1, 2)}

    async def body(journal: Journal, _: Children) -> list[object]:
        async def branch(n: int) -> object:
            async def run() -> object:
                await gates[n].wait()
                return f"value {n}"

            return await journal.record(Step(f"1/tool/{n}", "tool", "t", n, "pure"), run)

        return await together(branch(1), branch(2))

    running = asyncio.create_task(program.run(body))
    for n in order:
        gates[n].set()
        while len(program.kept.events) < order.index(n) + 1:
            await asyncio.sleep(0)
    first = await running
    assert list(order) == [int(e.data["path"][-1]) for e in program.kept.events]
    for gate in gates.values():
        gate.clear()
    assert ["value 1", "value 2"] == first == await program.run(body)


async def test_together_lets_the_others_settle_and_prefers_a_failure_to_a_wait() -> None:
    """A branch that waits tears nobody down; a failure is told although another branch waits."""
    ended: list[str] = []

    async def waits() -> None:
        raise TaskWaits

    async def slow() -> None:
        await asyncio.sleep(0.01)
        ended.append("slow")

    async def fails() -> None:
        await asyncio.sleep(0)
        raise TaskFailed("x", "y")

    with pytest.raises(TaskWaits):
        await together(waits(), slow())
    with pytest.raises(TaskFailed):
        await together(waits(), slow(), fails())
    assert ["slow", "slow"] == ended


async def test_time_and_chance_are_what_they_were(program: Program) -> None:
    """A later run sees the clock and the dice of the first."""

    async def body(journal: Journal, _: Children) -> tuple[object, object]:
        return await journal.now("1/clock/1"), await journal.random("1/random/1")

    first = await program.run(body)
    program.later(3600)
    assert first == await program.run(body)
    assert (program.kept.events[0].at, 0.25) == first


async def test_reading_a_log_tells_finished_begun_and_doubtful_steps_apart() -> None:
    """One path goes from begun to doubtful to finished."""
    program = await a_program()
    await died(program)
    recorded = read(program.kept.events)
    assert ([PATH], {}, {}) == (list(recorded.opened), recorded.doubtful, recorded.finished)
    await program.waits(one_step(Call()))
    assert [PATH] == list(read(program.kept.events).doubtful)
    program.kept.resolve(PATH, "happened", 1)
    recorded = read(program.kept.events)
    assert ({}, [PATH]) == (recorded.doubtful, list(recorded.finished))


async def test_calls_under_way_are_those_without_an_end() -> None:
    """And the events that say so carry what the call was, in order."""
    program = await a_program()
    await program.run(one_step(Call(), path="1/tool/1"))
    calls = [
        NewEvent(type=EventType.TOOL_DISPATCHED, data={"path": p}, journal={"v": 1, "path": p})
        for p in ("2/tool/2", "2/tool/1")
    ]
    log: list[Event | NewEvent] = [*program.kept.events, *calls]
    assert ["2/tool/2", "2/tool/1"] == [event.data["path"] for event in under_way(log)]
    said = unknown_effects(log, "because")
    assert [{"path": "2/tool/2", "why": "because"}, {"path": "2/tool/1", "why": "because"}] == [
        event.data for event in said
    ]
    assert [] == unknown_effects([*log, *said], "again")


async def test_the_first_run_goes_on_with_what_a_replay_reads(program: Program) -> None:
    """What the store cannot keep as it is, is changed before anybody has used it."""
    brought = {"text": "a\0b\ud800", "large": 1e16, "zero": -0.0, "nothing": float("nan")}
    seen: list[str] = []

    async def body(journal: Journal, _: Children) -> object:
        value = await journal.record(Step("1/llm", "llm", "m", None, "pure"), Call(brought))
        step = Step(PATH, "tool", "pay", value, "pure")
        seen.append(step.input_hash)
        assert Step(PATH, "tool", "pay", brought, "pure").input_hash == step.input_hash
        return await journal.record(step, Call(repr(value)))

    expected = {"text": "a\ufffdb\ufffd", "large": 10**16, "zero": 0.0, "nothing": None}
    assert repr(expected) == await program.run(body)
    assert repr(expected) == await program.run(body)
    assert seen[0] == seen[1]
