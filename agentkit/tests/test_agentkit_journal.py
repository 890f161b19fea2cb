"""The journal: what is recorded is not done again."""

from __future__ import annotations

import pytest

from agentkit.errors import Nondeterministic, UsageError
from agentkit.journal import InMemoryJournal, Step

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
