"""How a task enters a thread, decided from what is under way in it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ops_core.errors import ThreadArchived, ThreadBusy
from ops_core.threads import MAX_UNFINISHED, Entry, OnBusy, Thread, enter

pytestmark = pytest.mark.unit

NOW = datetime(2026, 1, 1, tzinfo=UTC)
THREAD = Thread(
    tenant_id="default",
    thread_id="t",
    name=None,
    on_busy=OnBusy.ENQUEUE,
    last_seq=1,
    created_at=NOW,
    updated_at=NOW,
)


@pytest.mark.parametrize("on_busy", [None, *OnBusy])
def test_nothing_stands_in_the_way_of_a_free_thread(on_busy: str | None) -> None:
    """Whatever should happen otherwise."""
    assert Entry() == enter(THREAD, [], on_busy)


@pytest.mark.parametrize(
    ("of_thread", "of_task", "expected"),
    [
        (OnBusy.ENQUEUE, None, Entry(["a", "b"])),
        (OnBusy.REJECT, "enqueue", Entry(["a", "b"])),
        (OnBusy.INTERRUPT, None, Entry(["a", "b"], cancels=True)),
        (OnBusy.REJECT, "interrupt", Entry(["a", "b"], cancels=True)),
    ],
)
def test_a_task_may_say_what_its_thread_says_otherwise(
    of_thread: OnBusy, of_task: str | None, expected: Entry
) -> None:
    """It waits for all that are under way, never for the last one alone."""
    assert expected == enter(replace(THREAD, on_busy=of_thread), ["a", "b"], of_task)


def test_a_thread_has_room_for_so_many() -> None:
    """One more is refused; what interrupts them is not."""
    full = [f"{n}" for n in range(MAX_UNFINISHED)]
    assert full[1:] == enter(THREAD, full[1:], None).after
    with pytest.raises(ThreadBusy, match="100 unfinished tasks"):
        enter(THREAD, full, None)
    assert full == enter(THREAD, full, "interrupt").after


def test_an_archived_thread_takes_nothing() -> None:
    """Though it is free."""
    with pytest.raises(ThreadArchived):
        enter(replace(THREAD, archived_at=NOW), [], None)
