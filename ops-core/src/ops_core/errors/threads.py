"""Threads, and tasks that are to go on one."""

from ops_core.errors.kinds import CallerError


class ThreadNotFound(CallerError):
    """There is no such thread, or it belongs to another tenant (the answer is the same)."""

    type = "thread_not_found"

    def __init__(self, thread_id: str) -> None:
        super().__init__(f"There is no thread {thread_id[:100]!r}.")


class ThreadExists(CallerError):
    """The id of a new thread is taken."""

    type = "thread_exists"

    def __init__(self, thread_id: str) -> None:
        super().__init__(
            f"There is a thread {thread_id!r} already; choose another id, or leave it out."
        )


class ThreadBusy(CallerError):
    """Another task of the thread is under way, and the new one was not to wait for it."""

    type = "thread_busy"

    def __init__(self, thread_id: str, unfinished: int) -> None:
        super().__init__(
            f"The thread {thread_id!r} has {unfinished} unfinished tasks; wait for them or cancel them, or "
            "choose another on_busy."
        )


class ThreadArchived(CallerError):
    """The thread was archived, and takes no more tasks."""

    type = "thread_archived"

    def __init__(self, thread_id: str) -> None:
        super().__init__(f"The thread {thread_id!r} is archived; fork it, or use another thread.")
