"""The client of a running Opspawn: `OpspawnClient`, and `AsyncOpspawnClient` for asyncio.

Importing it brings httpx2 and pydantic; no part of the server, no agent, no SDK.
"""

from opspawn.client.agents import Agent
from opspawn.client.api_keys import ApiKey, ToldKey
from opspawn.client.asynchronous import AsyncOpspawnClient
from opspawn.client.blocking import OpspawnClient
from opspawn.client.errors import (
    HTTP_ERROR,
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
from opspawn.client.schedules import Firing, Schedule
from opspawn.client.threads import Message, Thread
from opspawn.client.views import Approval, Event, Page, Question, Step, Task, TaskError, Usage
from opspawn.client.webhooks import Delivery, IssuedWebhook, Webhook

__all__ = [
    "HTTP_ERROR",
    "Agent",
    "AlreadyResolved",
    "ApiKey",
    "Approval",
    "AsyncOpspawnClient",
    "Conflict",
    "Delivery",
    "Event",
    "FieldError",
    "Firing",
    "Forbidden",
    "IdempotencyConflict",
    "InvalidRequest",
    "IssuedWebhook",
    "Message",
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
    "Schedule",
    "Step",
    "Task",
    "TaskError",
    "TaskFinished",
    "TaskNotRetriable",
    "Thread",
    "ToldKey",
    "TooManyRequests",
    "Unavailable",
    "Unreachable",
    "Usage",
    "WaitTimedOut",
    "Webhook",
]
