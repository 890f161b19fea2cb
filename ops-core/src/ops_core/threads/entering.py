"""How a new task enters a thread (what it waits for, and what it ends), and how a fork of one begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from ops_core.errors import FieldError, InvalidRequest, ThreadArchived, ThreadBusy
from ops_core.threads.port import OnBusy, Thread

#: Unfinished tasks of one thread: each new one waits for all of them, and locks them to do so.
MAX_UNFINISHED: Final = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """Ids of unfinished tasks of the thread."""

    after: Sequence[str] = ()
    """What the new task waits for: the end of each, whatever it is."""

    cancels: bool = False
    """Whether it cancels them."""


def enter(thread: Thread, unfinished: Sequence[str], on_busy: str | None) -> Entry:
    """Decides under the lock of the thread. Raises `ThreadBusy`, `ThreadArchived`.

    It waits for all, not for the last one: should that be cancelled, the ones before it are still under way.
    """
    if thread.archived_at is not None:
        raise ThreadArchived(thread.thread_id)
    if not unfinished:
        return Entry()
    policy = OnBusy(on_busy) if on_busy else thread.on_busy
    match policy:
        case OnBusy.REJECT:
            raise ThreadBusy(thread.thread_id, len(unfinished))
        case OnBusy.ENQUEUE:
            if len(unfinished) >= MAX_UNFINISHED:
                raise ThreadBusy(thread.thread_id, len(unfinished))
            return Entry(unfinished)
        case OnBusy.INTERRUPT:
            return Entry(unfinished, cancels=True)
        case _:
            assert_never(policy)


def check_part(source: Thread, after_seq: int, size: int, ended: int) -> None:
    """Whether a fork may share this part of a thread. Raises `InvalidRequest`."""
    problem = None
    if after_seq > source.last_seq or not size:
        problem = f"must be the seq of a message of the thread: 1 to {source.last_seq}"
    elif ended < size:
        problem = "lies behind a task that is still under way; wait for it, or fork before it"
    if problem:
        raise InvalidRequest([FieldError("after_seq", problem)])
