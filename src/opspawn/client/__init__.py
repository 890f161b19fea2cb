"""The client of a running Opspawn: `OpspawnClient`, and `AsyncOpspawnClient` for asyncio.

Importing it brings httpx2 and pydantic; no part of the server, no agent, no SDK.
"""

from opspawn.client.agents import Agent
from opspawn.client.api_keys import ApiKey, ToldKey
from opspawn.client.asynchronous import AsyncOpspawnClient
from opspawn.client.blocking import OpspawnClient
from opspawn.client.budgets import Amounts, Budget
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
from opspawn.client.limits import Limit, StartRate
from opspawn.client.memories import Memory
from opspawn.client.rules import Patience
from opspawn.client.schedules import Firing, Schedule
from opspawn.client.tenants import FoundedTenant, Tenant, TenantLimits
from opspawn.client.threads import Message, Thread
from opspawn.client.views import (
    Allowance,
    Approval,
    Event,
    Page,
    Question,
    Step,
    Task,
    TaskError,
    Usage,
)
from opspawn.client.webhooks import Delivery, IssuedWebhook, Webhook
from opspawn.client.workers import Worker

__all__ = [
    "HTTP_ERROR",
    "Agent",
    "Allowance",
    "AlreadyResolved",
    "Amounts",
    "ApiKey",
    "Approval",
    "AsyncOpspawnClient",
    "Budget",
    "Conflict",
    "Delivery",
    "Event",
    "FieldError",
    "Firing",
    "Forbidden",
    "FoundedTenant",
    "IdempotencyConflict",
    "InvalidRequest",
    "IssuedWebhook",
    "Limit",
    "Memory",
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
    "StartRate",
    "Step",
    "Task",
    "TaskError",
    "TaskFinished",
    "TaskNotRetriable",
    "Tenant",
    "TenantLimits",
    "Thread",
    "ToldKey",
    "TooManyRequests",
    "Unavailable",
    "Unreachable",
    "Usage",
    "WaitTimedOut",
    "Webhook",
    "Worker",
]
