"""The journal: what is recorded is not done again."""

from __future__ import annotations

from typing import Any

import pytest

from agentkit.errors import Nondeterministic, UsageError
from agentkit.journal import InMemoryJournal, Step, UnknownOutcome

STEP = Step("1/tool/1", "tool", "send", {"to": "Ada", "n": 1}, "unsafe")


class Counted:
    """An effect that counts how often it happened."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> str:
        self.times += 1
        return f"sent {self.times}"


async def test_a_recorded_step_is_not_run_again() -> None:
    """A replay returns the recorded value, and the effect does not happen."""
    effect, first = Counted(), InMemoryJournal()
    await first.record(STEP, effect)
    assert "sent 1" == await InMemoryJournal(first.records).record(STEP, effect)
    assert 1 == effect.times


async def test_a_replayed_step_is_recorded_again() -> None:
    """The records of a replay are those of the whole run: they can be replayed once more."""
    first = InMemoryJournal()
    await first.record(STEP, Counted())
    second = InMemoryJournal(first.records)
    await second.record(STEP, Counted())
    assert first.records == second.records


@pytest.mark.parametrize(
    "other",
    [
        Step("1/tool/1", "llm", "send", {"to": "Ada", "n": 1}, "unsafe"),
        Step("1/tool/1", "tool", "delete", {"to": "Ada", "n": 1}, "unsafe"),
        Step("1/tool/1", "tool", "send", {"to": "Bob", "n": 1}, "unsafe"),
    ],
)
async def test_a_replay_that_asks_for_something_else_is_refused(other: Step) -> None:
    """Another kind, name or argument at the same path is named, and nothing is run."""
    effect, first = Counted(), InMemoryJournal()
    await first.record(STEP, effect)
    with pytest.raises(Nondeterministic, match="Step 1/tool/1"):
        await InMemoryJournal(first.records).record(other, effect)
    assert 1 == effect.times


def test_the_order_of_arguments_does_not_matter() -> None:
    """The hash is over canonical arguments."""
    turned = Step("1/tool/1", "tool", "send", {"n": 1, "to": "Ada"}, "pure")
    assert STEP.input_hash == turned.input_hash


async def test_a_failed_step_is_not_recorded() -> None:
    """What raised is run again by the next replay."""

    async def fail() -> str:
        raise RuntimeError("down")

    journal = InMemoryJournal()
    with pytest.raises(RuntimeError, match="down"):
        await journal.record(STEP, fail)
    assert () == journal.records


async def test_one_journal_serves_one_run() -> None:
    """A second run in the same journal would overwrite the first: it is refused."""
    journal = InMemoryJournal()
    await journal.record(STEP, Counted())
    with pytest.raises(UsageError, match="give each run a new journal"):
        await journal.record(STEP, Counted())


TIMER = Step("1/tool/1/timer/1", "timer", "sleep", {"seconds": 60}, "pure")
QUESTION = Step("1/tool/1/input/1", "input", "ask", {"question": "Red?"}, "pure")
APPROVAL = Step("1/tool/1/approval/1", "approval", "approve", {"question": "Pay?"}, "pure")
CHILD = Step("1/tool/1/child/1", "child", "start_child", {"goal": "a"}, "idempotent")


class World:
    """What a journal in memory waits with; remembers how often it was used."""

    def __init__(self) -> None:
        self.used: list[Any] = []

    async def sleep(self, seconds: float) -> None:
        self.used.append(seconds)

    async def answer(self, step: Step) -> str:
        self.used.append(step.kind)
        return "yes"

    async def run_child(self, goal: str, options: dict[str, Any]) -> str:
        self.used.append(goal)
        return goal.upper()


async def test_what_was_waited_for_is_not_waited_for_again() -> None:
    """A replay sleeps no second time, asks nobody again, and runs no child that has ended."""
    world = World()
    ways: dict[str, Any] = {
        "run_id": "r",
        "sleep": world.sleep,
        "answer": world.answer,
        "run_child": world.run_child,
    }

    async def run(journal: InMemoryJournal) -> list[Any]:
        values = [await journal.wait(step) for step in (TIMER, QUESTION, APPROVAL)]
        child = await journal.start_child(CHILD)
        wanted = Step("1/children", "children", "wait", {"tasks": [child], "need": 1}, "pure")
        return [*values, child, await journal.wait(wanted)]

    journal = InMemoryJournal(**ways)
    first = await run(journal)
    ended = {"task_id": first[3], "status": "completed", "output": "A", "error": None}
    assert [None, "yes", "yes", "r/1/tool/1/child/1", [ended]] == first
    assert first == await run(InMemoryJournal(journal.records, **ways))
    assert [60, "input", "approval", "a"] == world.used


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (QUESTION, r"pass InMemoryJournal\(answer="),
        (STEP, "is a tool, which is nothing to wait for"),
    ],
)
async def test_a_wait_that_the_journal_cannot_make(step: Step, said: str) -> None:
    """The program is told what to pass, and nothing is recorded."""
    journal = InMemoryJournal()
    with pytest.raises(UsageError, match=said):
        await journal.wait(step)
    assert () == journal.records


async def test_nothing_is_approved_where_there_is_nobody_to_ask() -> None:
    """Not an error of the program: the model reads that its call was not made."""
    refused = {"decision": "reject", "comment": "there is nobody to ask"}
    assert refused == await InMemoryJournal().wait(APPROVAL)


async def test_another_question_at_the_same_place_is_refused() -> None:
    """A replay does not take the answer to one question for that to another."""
    journal = InMemoryJournal(answer=World().answer)
    await journal.wait(QUESTION)
    other = Step(QUESTION.path, "input", "ask", {"question": "Blue?"}, "pure")
    with pytest.raises(Nondeterministic, match="1/tool/1/input/1"):
        await InMemoryJournal(journal.records).wait(other)


async def test_an_unknown_outcome_is_recorded_as_such() -> None:
    """Where nobody can be asked, the value that tells of the doubt is what a replay gives back."""

    async def doubtful() -> str:
        raise UnknownOutcome("nobody knows", "perhaps")

    journal = InMemoryJournal()
    assert "perhaps" == await journal.record(STEP, doubtful)
    assert "perhaps" == await InMemoryJournal(journal.records).record(STEP, Counted())


def test_a_key_depends_on_run_and_path() -> None:
    """It is the same for the same step of the same run, and for no other."""
    one = InMemoryJournal(run_id="r")
    keys = {
        one.idempotency_key("1/tool/1"),
        InMemoryJournal(run_id="r").idempotency_key("1/tool/1"),
        one.idempotency_key("1/tool/2"),
        InMemoryJournal(run_id="s").idempotency_key("1/tool/1"),
        InMemoryJournal().idempotency_key("1/tool/1"),
    }
    assert 4 == len(keys)
