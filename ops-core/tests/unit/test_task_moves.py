"""The state machine: which moves exist, and what they carry."""

import pytest

from ops_core.errors import IllegalMove
from ops_core.log import EventType, NewEvent
from ops_core.moves import (
    Move,
    cancel,
    complete,
    deadline_exceeded,
    fail,
    release,
    reopen,
    retry,
    wake,
)
from ops_core.task import REASONS, TERMINAL, TRANSITIONS, Reason, RetryPolicy, Status, TaskError

pytestmark = pytest.mark.unit

ERROR = TaskError(type="rate_limited", message="Wait.", retryable=True)
PASSING = TaskError(type="provider_unavailable", message="Wait.", retryable=True)


def test_terminal_states_absorb() -> None:
    """No move leaves a terminal state, but for a client's retry, which opens the next generation."""
    assert {Status.COMPLETED, Status.FAILED, Status.CANCELLED} == TERMINAL
    for move in (complete({}), fail(ERROR), retry(ERROR, 1), release("drained"), cancel()):
        assert not move.sources & TERMINAL


@pytest.mark.parametrize(
    ("move", "sources"),
    [
        (complete({}), {Status.RUNNING}),
        (retry(ERROR, 1), {Status.RUNNING}),
        (release("drained"), {Status.RUNNING}),
        (wake("timer"), {Status.WAITING}),
        (fail(ERROR), {Status.PENDING, Status.RUNNING, Status.WAITING}),
        (cancel(), {Status.PENDING, Status.RUNNING, Status.WAITING}),
        (reopen(2), {Status.FAILED, Status.CANCELLED}),
    ],
)
def test_a_move_starts_only_where_the_table_says(move: Move, sources: set[Status]) -> None:
    """The guard of a move is read from the transition table."""
    assert sources == move.sources


@pytest.mark.parametrize(
    ("move", "to", "reason", "event"),
    [
        (complete({"a": 1}), Status.COMPLETED, None, EventType.TASK_COMPLETED),
        (fail(ERROR), Status.FAILED, Reason.ERROR, EventType.TASK_FAILED),
        (deadline_exceeded(), Status.FAILED, Reason.DEADLINE_EXCEEDED, EventType.TASK_FAILED),
        (retry(ERROR, 2), Status.PENDING, Reason.RATE_LIMITED, EventType.TASK_RELEASED),
        (retry(PASSING, 2), Status.PENDING, Reason.RETRYING, EventType.TASK_RELEASED),
        (release("drained"), Status.PENDING, Reason.RECOVERED, EventType.TASK_RELEASED),
        (cancel(), Status.CANCELLED, None, EventType.TASK_CANCELLED),
    ],
)
def test_each_outcome_has_its_verb(
    move: Move, to: Status, reason: Reason | None, event: EventType
) -> None:
    """Every verb leads to one state, one reason and one event."""
    assert (to, reason, event) == (move.to, move.reason, move.event.type)


@pytest.mark.parametrize(
    ("to", "reason"),
    [(Status.COMPLETED, Reason.ERROR), (Status.FAILED, None), (Status.PENDING, Reason.CHILD)],
)
def test_a_reason_that_does_not_fit_its_state_is_refused(to: Status, reason: Reason | None) -> None:
    """A state carries only the reasons of its row in the table."""
    with pytest.raises(IllegalMove):
        Move(to=to, reason=reason, event=NewEvent(type=EventType.TASK_FAILED))


def test_every_state_is_in_both_tables() -> None:
    """A new state must say where it leads and why it can be there."""
    assert set(Status) == set(TRANSITIONS) == set(REASONS)


@pytest.mark.parametrize(
    ("attempt", "jitter", "expected"),
    [(1, 0.0, 1.0), (1, 1.0, 2.0), (3, 0.0, 4.0), (9, 1.0, 300.0), (10_000, 0.0, 150.0)],
)
def test_the_rest_between_attempts_doubles_up_to_its_cap(
    attempt: int, jitter: float, expected: float
) -> None:
    """Half of the rest is fixed, half is drawn, and no attempt number overflows."""
    assert expected == RetryPolicy().delay_s(attempt, jitter=jitter)
