"""A task: the states it can be in, what it is made of, how it is asked for and how it is stored."""

from ops_core.task.new import NewTask, new_task_id, submitted_data
from ops_core.task.parts import NOTHING_USED, JsonObject, RetryPolicy, TaskError, Usage, Wait
from ops_core.task.states import (
    REASONS,
    REOPENED,
    SETTLED,
    TERMINAL,
    TRANSITIONS,
    Reason,
    Status,
)
from ops_core.task.stored import Task

__all__ = [
    "NOTHING_USED",
    "REASONS",
    "REOPENED",
    "SETTLED",
    "TERMINAL",
    "TRANSITIONS",
    "JsonObject",
    "NewTask",
    "Reason",
    "RetryPolicy",
    "Status",
    "Task",
    "TaskError",
    "Usage",
    "Wait",
    "new_task_id",
    "submitted_data",
]
