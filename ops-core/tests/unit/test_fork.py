"""What a fork's log begins with."""

import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest

from ops_core.errors import InvalidRequest
from ops_core.fork import shared
from ops_core.log import Event, EventType, NewEvent
from ops_core.replay import read
from ops_core.step import Step

pytestmark = pytest.mark.unit

AT = datetime(2026, 1, 1, tzinfo=UTC)

Told = tuple[EventType, str, dict[str, Any]]


def log(*events: Told) -> list[Event]:
    """A log: the request, then these steps (type, path, what the journal keeps beside its place)."""
    told = [Event(type=EventType.TASK_SUBMITTED, task_id="t", seq=1, at=AT)]
    for seq, (kind, path, more) in enumerate(events, start=2):
        entry = Step(path, "tool", "send", {"n": 1}).entry | more
        data = {"path": path, "tool": "send"} | {k: v for k, v in more.items() if k != "value"}
        told.append(Event(type=kind, task_id="t", seq=seq, at=AT, data=data, journal=entry))
    return told


def fork(
    source: list[Event],
    after_seq: int,
    results: dict[str, Any] | None = None,
    *,
    same_input: bool = True,
) -> list[NewEvent]:
    return shared(source, after_seq, results or {}, same_input=same_input)


def types(events: list[NewEvent]) -> list[EventType]:
    return [event.type for event in events]


LLM: Told = (EventType.LLM_COMPLETED, "1/llm", {"value": "call send"})
SENT: Told = (EventType.TOOL_DISPATCHED, "1/tool/1", {})
DONE: Told = (EventType.TOOL_COMPLETED, "1/tool/1", {"value": "sent"})
UNKNOWN: Told = (EventType.TOOL_UNKNOWN, "1/tool/1", {})
ASKED: Told = (EventType.APPROVAL_REQUESTED, "1/tool/1/approval/1", {})
ALLOWED: Told = (
    EventType.APPROVAL_RESOLVED,
    "1/tool/1/approval/1",
    {"value": {"decision": "approve"}},
)


def test_the_steps_up_to_the_point_are_copied_and_marked() -> None:
    """Steps alone, in order; each says in public and in the journal that it was not made here."""
    copies = fork(log(LLM, SENT, DONE), 3)
    assert [EventType.LLM_COMPLETED, EventType.TOOL_DISPATCHED] == types(copies)[:2]
    assert all(
        event.data["copied"] and event.journal["copied"] for event in copies if event.journal
    )


@pytest.mark.parametrize("after_seq", [0, 5])
def test_a_point_that_the_log_does_not_have_is_refused(after_seq: int) -> None:
    """With the ones that it has."""
    with pytest.raises(InvalidRequest, match="1 to 4"):
        fork(log(LLM, SENT, DONE), after_seq)


@pytest.mark.parametrize("source", [[LLM, SENT], [LLM, SENT, UNKNOWN]])
def test_an_unsafe_call_that_was_under_way_is_in_doubt(source: list[Any]) -> None:
    """It may have happened for the source: the fork asks a person and does not make it."""
    copies = fork(log(*source), len(source) + 1)
    assert EventType.TOOL_UNKNOWN is types(copies)[-1]
    assert {"1/tool/1"} == set(recorded(copies).doubtful)


@pytest.mark.parametrize("outcome", ["run_again", "fail"])
def test_what_a_person_said_to_the_source_about_a_doubt_is_not_said_to_the_fork(
    outcome: str,
) -> None:
    """Leave to run a call again is for one run of it."""
    resolved = (EventType.EFFECT_RESOLVED, "1/tool/1", {"outcome": outcome, "result": None})
    found = recorded(fork(log(LLM, SENT, UNKNOWN, resolved), 5))
    assert ({"1/tool/1"}, {"1/tool/1"}, set()) == (
        set(found.doubtful),
        set(found.opened),
        set(found.refused),
    )


def test_what_a_person_knows_to_have_happened_is_shared() -> None:
    """It is a fact of the world and not of one task."""
    resolved = (EventType.EFFECT_RESOLVED, "1/tool/1", {"outcome": "happened", "result": "x"})
    assert (
        "x" == recorded(fork(log(LLM, SENT, UNKNOWN, resolved), 5)).finished["1/tool/1"]["result"]
    )


@pytest.mark.parametrize("kind", [EventType.TIMER_SET, EventType.INPUT_REQUESTED])
def test_a_wait_that_is_open_begins_anew(kind: EventType) -> None:
    """The fork sleeps its whole time and asks its own question."""
    assert [EventType.LLM_COMPLETED] == types(fork(log(LLM, (kind, "1/tool/1/wait/1", {})), 3))


def test_a_wait_that_is_over_is_shared() -> None:
    """With its answer."""
    asked: Told = (EventType.INPUT_REQUESTED, "1/tool/1/input/1", {})
    answered = (EventType.INPUT_RECEIVED, "1/tool/1/input/1", {"value": "yes"})
    assert 3 == len(fork(log(LLM, asked, answered), 4))


def test_leave_for_a_call_that_was_not_begun_is_not_shared() -> None:
    """One approval is one call; the fork would make a second one with it."""
    assert [EventType.LLM_COMPLETED] == types(fork(log(LLM, ASKED, ALLOWED), 4))


def test_leave_for_a_call_that_was_made_is_shared_with_the_call() -> None:
    """Otherwise a person would be asked about what is done."""
    assert 5 == len(fork(log(LLM, ASKED, ALLOWED, SENT, DONE), 6))


def test_a_fork_behind_the_start_of_a_child_is_refused_with_the_last_point_that_is_possible() -> (
    None
):
    """Nobody would tell the fork how another task's child ended."""
    started = (EventType.CHILD_STARTED, "1/tool/1/child/1", {"value": "task_child"})
    source = log(LLM, started)
    assert 1 == len(fork(source, 2))
    with pytest.raises(InvalidRequest, match="fork after 2 or before"):
        fork(source, 3)


@pytest.mark.parametrize("source", [[LLM, SENT], [LLM, SENT, DONE], [LLM, SENT, UNKNOWN]])
def test_a_call_can_be_told_to_have_come_back_otherwise(source: list[Any]) -> None:
    """Replay takes the given result, whatever the call came to for the source."""
    copies = fork(log(*source), len(source) + 1, {"1/tool/1": "other"})
    found = recorded(copies)
    assert "other" == found.finished["1/tool/1"]["result"]
    assert ({}, {}) == (found.doubtful, found.opened)
    assert "other" == copies[-1].data["output"]


def test_a_result_for_what_is_no_call_is_refused() -> None:
    """A path with a mistake in it would otherwise change nothing, in silence."""
    with pytest.raises(InvalidRequest, match=r"1/tool/2: is no tool call.*1/tool/1"):
        fork(log(LLM, SENT, DONE), 4, {"1/tool/2": "x"})


def test_entries_are_checked_only_where_nothing_was_overridden() -> None:
    """Another model's name at a recorded step is what was asked for, and no mistake."""
    source = log(LLM)
    assert "hash" in journal(fork(source, 2)[0])
    assert "hash" not in journal(fork(source, 2, same_input=False)[0])


def test_an_event_of_a_newer_version_is_not_copied_as_something_else() -> None:
    """It is refused."""
    newer = Event(type="tool.dreamt", task_id="t", seq=2, at=AT, journal={"v": 1, "path": "1"})
    with pytest.raises(InvalidRequest, match=r"tool\.dreamt"):
        fork([*log(), newer], 2)


def journal(event: NewEvent) -> dict[str, Any]:
    assert event.journal is not None
    return event.journal


def recorded(copies: list[NewEvent]) -> Any:
    """What replay makes of them."""
    events = [
        Event(type=copy.type, task_id="f", seq=seq, at=AT, data=copy.data, journal=copy.journal)
        for seq, copy in enumerate(copies, start=2)
    ]
    return read(events)


def test_many_wrong_paths_in_a_long_log_take_no_more_memory_than_they_are_worth() -> None:
    """Each error names a few of the log's calls: all of them for each would be gigabytes for one request."""
    calls = [(EventType.TOOL_COMPLETED, f"{n}/tool/1", {"value": n}) for n in range(1, 1001)]
    wrong = {f"wrong/{n}": None for n in range(2000)}
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequest, match="and 990 more"):
            fork(log(*calls), 1001, wrong)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000
