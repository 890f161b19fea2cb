"""The client of a running Opspawn: `OpspawnClient`, and `AsyncOpspawnClient` for asyncio.

Importing it brings httpx2 and pydantic; no part of the server, no agent, no SDK.
"""

from opspawn.client.asynchronous import AsyncOpspawnClient
from opspawn.client.blocking import OpspawnClient
from opspawn.client.errors import (
    AlreadyResolved,
    Conflict,
    FieldError,
    Forbidden,
    IdempotencyConflict,
    InvalidRequest,
    NotADeadLetter,
    NotAuthenticated,
    NotFound,
    NothingAsked,
    OpspawnError,
    Refused,
    TaskFinished,
    TaskNotRetriable,
    TooManyRequests,
    Unavailable,
    Unreachable,
    WaitTimedOut,
)
from opspawn.client.rules import Patience
from opspawn.client.views import Approval, Event, Page, Question, Step, Task, TaskError, Usage

__all__ = [
    "AlreadyResolved",
    "Approval",
    "AsyncOpspawnClient",
    "Conflict",
    "Event",
    "FieldError",
    "Forbidden",
    "IdempotencyConflict",
    "InvalidRequest",
    "NotADeadLetter",
    "NotAuthenticated",
    "NotFound",
    "NothingAsked",
    "OpspawnClient",
    "OpspawnError",
    "Page",
    "Patience",
    "Question",
    "Refused",
    "Step",
    "Task",
    "TaskError",
    "TaskFinished",
    "TaskNotRetriable",
    "TooManyRequests",
    "Unavailable",
    "Unreachable",
    "Usage",
    "WaitTimedOut",
]
