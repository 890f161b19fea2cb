"""What a client asked of a task that the task does not allow."""

from ops_core.errors.kinds import CallerError


class TaskNotFound(CallerError):
    """There is no such task, or it belongs to another tenant (the answer is the same)."""

    type = "task_not_found"

    def __init__(self, task_id: str) -> None:
        super().__init__(f"There is no task {task_id[:100]!r}.")
        self.task_id = task_id


class TaskFinished(CallerError):
    """The task has already ended in another way than the one asked for."""

    type = "task_finished"

    def __init__(self, task_id: str, status: str) -> None:
        super().__init__(f"The task {task_id} is already {status}; it can no longer be changed.")


class TaskNotEnded(CallerError):
    """A retry was asked of a task that is still under way, or that completed."""

    type = "task_not_retriable"

    def __init__(self, task_id: str, status: str) -> None:
        super().__init__(
            f"The task {task_id} is {status}; only a failed or cancelled task can be retried."
        )


class NotADeadLetter(CallerError):
    """Only a task that failed for an operator to look at can be discarded."""

    type = "not_a_dead_letter"

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"The task {task_id} is not on the list of dead letters; it may have been retried."
        )
