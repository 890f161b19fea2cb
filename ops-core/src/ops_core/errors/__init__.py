"""Everything that can go wrong here, by who is at fault. `type` is the same string on every door.

One file for each subject, and `kinds` for the branches themselves; everybody imports from here.

OpsError
├── CallerError                 the client: asking again unchanged will not help
│   ├── InvalidRequest            a field is wrong; `errors` names each
│   ├── TaskNotFound              no such task for this tenant
│   ├── IdempotencyConflict       the same key came with another body
│   ├── TaskFinished              the task has ended and cannot be moved
│   ├── TaskNotEnded              only a task that failed or was cancelled can be retried
│   ├── NothingAsked              the task does not wait for what was brought
│   ├── AskNotFound               no such approval or input for this tenant
│   ├── AlreadyResolved           the approval or input was decided, or is over
│   ├── LinksNotConfigured        the operator has given no secret to sign links with
│   ├── NotADeadLetter            the task is not on the list of dead letters
│   ├── NotAuthenticated          nobody knows who asks: no key or token, or one that is not good
│   ├── MissingScope              who asks is known, and may not do this
│   ├── RateLimited               this caller asks too often
│   ├── ApiKeyNotFound            no such key for this tenant
│   ├── ApiKeyRevoked             a revoked key cannot be used again
│   ├── TenantNotFound            no such tenant
│   ├── WorkerNotFound            no such worker
│   ├── TenantExists              the id of a new tenant is taken
│   ├── AgentNotFound             no such agent, or no such version of it
│   ├── AgentExists               an agent of that name says something else
│   ├── ThreadNotFound            no such thread for this tenant
│   ├── ThreadExists              the id of a new thread is taken
│   ├── ThreadBusy                another task of the thread is under way
│   ├── ThreadArchived            the thread takes no more tasks
│   ├── ScheduleNotFound          no such schedule for this tenant
│   ├── ScheduleExists            another schedule has that name
│   ├── ScheduleChanged           somebody else changed the schedule meanwhile
│   ├── WebhookNotFound           no such webhook for this tenant
│   ├── DeliveryNotFound          no such delivery for this tenant
│   ├── TooManyWebhooks           the tenant has as many webhooks as it may
│   ├── LimitNotFound             the tenant has set no limit for this concurrency key
│   ├── BudgetNotFound            no such budget for this tenant
│   ├── MemoryNotFound            no such memory for this tenant
│   ├── MemoriesNotConfigured     the operator has set up nothing that remembers, or not for this process
│   └── NotNow                    too much is under way: the same request may succeed later
│       ├── TooManyTasks            the tenant has as many unfinished tasks as it may
│       └── BacklogFull             all tenants together have
├── Unavailable                 the operator: asking again later may help
│   ├── StoreUnavailable          PostgreSQL is away
│   ├── BrokerUnavailable         RabbitMQ is away (no client ever sees this one)
│   ├── MemoriesUnavailable       what remembers does not answer
│   ├── TooManyStreams            this process serves as many streams as it may
│   ├── StreamTooSlow             a stream was ended whose client did not read it
│   └── ServerStopping            this process ends; another one, or its successor, goes on
├── CannotIsolate               the operator: the process that runs suspects does not start
├── LinkRefused                 a signed link is wrong, over or used (a person sees a page, no error)
├── TaskFailed                  a handler's verdict on its own task
├── FailedBeforeEffect          a call's own word that nothing happened
├── UnknownOutcome              nobody knows whether an unsafe call took effect
├── CancelRequested             an effect that would begin in a task that is to be cancelled: stop
├── LostOwnership               this worker is a zombie for that task: another owns it now, stop
└── IllegalMove                 us: the state machine was asked for a move that it does not have
"""

from ops_core.errors.agents import AgentExists, AgentNotFound
from ops_core.errors.asks import (
    AlreadyResolved,
    AskNotFound,
    LinkRefused,
    LinksNotConfigured,
    NothingAsked,
)
from ops_core.errors.execution import (
    CancelRequested,
    FailedBeforeEffect,
    IllegalMove,
    LostOwnership,
    TaskFailed,
    TaskWaits,
    UnknownOutcome,
)
from ops_core.errors.identity import (
    ApiKeyNotFound,
    ApiKeyRevoked,
    MissingScope,
    NotAuthenticated,
    RateLimited,
    TenantExists,
    TenantNotFound,
)
from ops_core.errors.installation import (
    BrokerUnavailable,
    CannotIsolate,
    StoreUnavailable,
    WorkerNotFound,
)
from ops_core.errors.kinds import CallerError, NotNow, OpsError, Unavailable
from ops_core.errors.limits import BacklogFull, BudgetNotFound, LimitNotFound, TooManyTasks
from ops_core.errors.memories import MemoriesNotConfigured, MemoriesUnavailable, MemoryNotFound
from ops_core.errors.requests import FieldError, IdempotencyConflict, InvalidRequest
from ops_core.errors.schedules import ScheduleChanged, ScheduleExists, ScheduleNotFound
from ops_core.errors.streams import ServerStopping, StreamTooSlow, TooManyStreams
from ops_core.errors.tasks import NotADeadLetter, TaskFinished, TaskNotEnded, TaskNotFound
from ops_core.errors.threads import ThreadArchived, ThreadBusy, ThreadExists, ThreadNotFound
from ops_core.errors.webhooks import DeliveryNotFound, TooManyWebhooks, WebhookNotFound

__all__ = [
    "AgentExists",
    "AgentNotFound",
    "AlreadyResolved",
    "ApiKeyNotFound",
    "ApiKeyRevoked",
    "AskNotFound",
    "BacklogFull",
    "BrokerUnavailable",
    "BudgetNotFound",
    "CallerError",
    "CancelRequested",
    "CannotIsolate",
    "DeliveryNotFound",
    "FailedBeforeEffect",
    "FieldError",
    "IdempotencyConflict",
    "IllegalMove",
    "InvalidRequest",
    "LimitNotFound",
    "LinkRefused",
    "LinksNotConfigured",
    "LostOwnership",
    "MemoriesNotConfigured",
    "MemoriesUnavailable",
    "MemoryNotFound",
    "MissingScope",
    "NotADeadLetter",
    "NotAuthenticated",
    "NotNow",
    "NothingAsked",
    "OpsError",
    "RateLimited",
    "ScheduleChanged",
    "ScheduleExists",
    "ScheduleNotFound",
    "ServerStopping",
    "StoreUnavailable",
    "StreamTooSlow",
    "TaskFailed",
    "TaskFinished",
    "TaskNotEnded",
    "TaskNotFound",
    "TaskWaits",
    "TenantExists",
    "TenantNotFound",
    "ThreadArchived",
    "ThreadBusy",
    "ThreadExists",
    "ThreadNotFound",
    "TooManyStreams",
    "TooManyTasks",
    "TooManyWebhooks",
    "Unavailable",
    "UnknownOutcome",
    "WebhookNotFound",
    "WorkerNotFound",
]
