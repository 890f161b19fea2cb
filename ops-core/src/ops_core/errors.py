"""Everything that can go wrong here, by who is at fault. `type` is the same string on every door.

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

from dataclasses import dataclass
from typing import Any, ClassVar


class OpsError(Exception):
    """Base of all errors of `ops_core`."""

    type: ClassVar[str] = "internal"


class CallerError(OpsError):
    """The request cannot be carried out as it stands."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: `path` in dots (`input_data.goal`), `message` for a person."""

    path: str
    message: str


class InvalidRequest(CallerError):
    """One or more fields are wrong; nothing was stored.

    Bounded, because the names come from the client: the first `MAX_ERRORS` fields, each cut short.
    """

    type = "invalid_request"
    MAX_ERRORS: ClassVar[int] = 20

    def __init__(self, errors: list[FieldError]) -> None:
        self.errors = [FieldError(e.path[:200], e.message[:300]) for e in errors[: self.MAX_ERRORS]]
        parts = [f"{e.path}: {e.message}" if e.path else e.message for e in self.errors]
        if len(errors) > self.MAX_ERRORS:
            parts.append(f"and {len(errors) - self.MAX_ERRORS} more")
        super().__init__("; ".join(parts))


class TaskNotFound(CallerError):
    """There is no such task, or it belongs to another tenant (the answer is the same)."""

    type = "task_not_found"

    def __init__(self, task_id: str) -> None:
        super().__init__(f"There is no task {task_id[:100]!r}.")
        self.task_id = task_id


class IdempotencyConflict(CallerError):
    """The idempotency key was used before with another body."""

    type = "idempotency_conflict"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"The idempotency key {key!r} was used before with another request; "
            "use a new key, or send the first request again unchanged."
        )


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


class NothingAsked(CallerError):
    """An answer came for a step that asked nothing, or that was answered before."""

    type = "nothing_asked"

    def __init__(self, task_id: str, step: str) -> None:
        if step:
            what = (
                f"Step {step[:100]!r} of the task {task_id} does not wait for this: it was answered before, "
                "or asked for nothing; the task's waiting_for says what is open."
            )
        else:
            what = f"No question of the task {task_id} is open; its waiting_for says what it waits for."
        super().__init__(what)


class AskNotFound(CallerError):
    """There is no such approval or input, or it belongs to another tenant (the answer is the same)."""

    type = "ask_not_found"

    def __init__(self, ask_id: str) -> None:
        super().__init__(f"There is no approval or input {ask_id[:100]!r}.")


class AlreadyResolved(CallerError):
    """An approval or an input is single use, and this one was used, has expired, or ended with its task."""

    type = "already_resolved"

    def __init__(self, ask_id: str, status: str) -> None:
        super().__init__(
            f"{ask_id} is {status}: it was decided once, and nothing can be said to it any more; "
            "its resolution says what, and by whom."
        )
        self.status = status


class LinksNotConfigured(CallerError):
    """Links that decide need a secret to sign them with, which only the operator can give."""

    type = "links_not_configured"

    def __init__(self) -> None:
        super().__init__(
            "This server makes no links: set OPSPAWN_LINK_SECRET to at least 32 random characters, the same "
            "for every API process, and start it again."
        )


class LinkRefused(OpsError):
    """A signed link cannot be used; whoever opened it sees a page that says why.

    `why` is `invalid`, `expired`, `used` or `gone`.
    """

    type = "link_refused"

    def __init__(self, why: str, detail: str) -> None:
        super().__init__(detail)
        self.why = why


class NotADeadLetter(CallerError):
    """Only a task that failed for an operator to look at can be discarded."""

    type = "not_a_dead_letter"

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"The task {task_id} is not on the list of dead letters; it may have been retried."
        )


class ScheduleNotFound(CallerError):
    """There is no such schedule, or it belongs to another tenant (the answer is the same)."""

    type = "schedule_not_found"

    def __init__(self, schedule_id: str) -> None:
        super().__init__(f"There is no schedule {schedule_id[:100]!r}.")


class ScheduleExists(CallerError):
    """Another schedule of the tenant has that name."""

    type = "schedule_exists"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"A schedule named {name!r} exists; change that one, or choose another name."
        )


class ScheduleChanged(CallerError):
    """A change was made of a schedule that somebody else changed meanwhile."""

    type = "schedule_changed"

    def __init__(self, schedule_id: str) -> None:
        super().__init__(
            f"The schedule {schedule_id} was changed meanwhile; read it, and send the change again."
        )


class AgentNotFound(CallerError):
    """There is no such agent, or it has no such version."""

    type = "agent_not_found"

    def __init__(self, ref: str) -> None:
        super().__init__(f"There is no agent {ref[:100]!r}.")


class AgentExists(CallerError):
    """A new agent has the name of one that is defined differently."""

    type = "agent_exists"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is an agent {name} with another definition; put that name to make its next version."
        )


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


class NotAuthenticated(CallerError):
    """Nobody knows who asks. What is wrong with a key is told only to whoever has its secret."""

    type = "unauthenticated"

    def __init__(self, why: str = "") -> None:
        self.has_credentials = bool(why)
        super().__init__(
            why
            or "Who are you? Send an API key or a token: Authorization: Bearer osk_… "
            "(`opspawn keys create` makes a key)."
        )


class MissingScope(CallerError):
    """Who asks is known, and its key or token lacks the scope that this needs."""

    type = "missing_scope"

    def __init__(self, scope: str) -> None:
        super().__init__(f"This needs the scope {scope}, which your key or token does not have.")
        self.scope = scope


class RateLimited(CallerError):
    """The caller has used up how often it may ask."""

    type = "too_many_requests"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"Your key or token asks too often; come back in {retry_after_s} s.")
        self.retry_after_s = retry_after_s


class ApiKeyNotFound(CallerError):
    """There is no such key, or it belongs to another tenant (the answer is the same)."""

    type = "api_key_not_found"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"There is no API key {key_id[:100]!r}.")


class ApiKeyRevoked(CallerError):
    """A revoked key was to be rotated."""

    type = "api_key_revoked"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"The API key {key_id} is revoked for ever; create another one.")


class TenantNotFound(CallerError):
    """There is no such tenant."""

    type = "tenant_not_found"

    def __init__(self, tenant_id: str) -> None:
        super().__init__(f"There is no tenant {tenant_id[:100]!r}.")


class WorkerNotFound(CallerError):
    """There is no such worker, or it has gone."""

    type = "worker_not_found"

    def __init__(self, worker_id: str) -> None:
        super().__init__(
            f"There is no worker {worker_id[:200]!r}; one that has stopped is not kept on the list."
        )


class TenantExists(CallerError):
    """The id of a new tenant is taken."""

    type = "tenant_exists"

    def __init__(self, tenant_id: str) -> None:
        super().__init__(f"There is a tenant {tenant_id!r} already; choose another id.")


class WebhookNotFound(CallerError):
    """There is no such webhook, or it belongs to another tenant (the answer is the same)."""

    type = "webhook_not_found"

    def __init__(self, webhook_id: str) -> None:
        super().__init__(f"There is no webhook {webhook_id[:100]!r}.")


class DeliveryNotFound(CallerError):
    """There is no such delivery, or it belongs to another tenant (the answer is the same)."""

    type = "delivery_not_found"

    def __init__(self, delivery_id: str) -> None:
        super().__init__(f"There is no delivery {delivery_id[:100]!r}; old ones are deleted.")


class TooManyWebhooks(CallerError):
    """Each event is compared with every webhook of its tenant, so there is an end to them."""

    type = "too_many_webhooks"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"There are {limit} webhooks, which is as many as there may be; delete one, "
            "or ask an existing one for more events."
        )


class LimitNotFound(CallerError):
    """The tenant has set no limit for this concurrency key."""

    type = "limit_not_found"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"No limit is set for the key {key[:100]!r}: one of its tasks runs at once."
        )


class BudgetNotFound(CallerError):
    """There is no such budget, or it belongs to another tenant (the answer is the same)."""

    type = "budget_not_found"

    def __init__(self, budget_id: str) -> None:
        super().__init__(f"There is no budget {budget_id[:100]!r}.")


class MemoryNotFound(CallerError):
    """There is no such memory, or it belongs to another tenant (the answer is the same)."""

    type = "memory_not_found"

    def __init__(self, memory_id: str) -> None:
        super().__init__(f"There is no memory {memory_id[:100]!r}.")


class MemoriesNotConfigured(CallerError):
    """The server keeps no memories, or this process cannot reach them; only the operator can change that.

    `why` says what to set.
    """

    type = "memories_not_configured"

    def __init__(self, why: str) -> None:
        super().__init__(f"This server gives no access to memories: {why}")


class NotNow(CallerError):
    """Too much is under way; nothing was stored, and the same request may succeed later."""

    retry_after_s: ClassVar[int] = 5


class TooManyTasks(NotNow):
    """The tenant has as many unfinished tasks as it may have."""

    type = "too_many_tasks"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"This tenant has {limit} unfinished tasks, which is its limit: wait until some have ended, or "
            "cancel some."
        )


class BacklogFull(NotNow):
    """All tenants together have as many unfinished tasks as this server takes."""

    type = "backlog_full"
    retry_after_s = 15

    def __init__(self) -> None:
        super().__init__("This server has as much work as it takes: send the task again later.")


class Unavailable(OpsError):
    """Something we depend on is away; the same request may succeed later."""

    retry_after_s: ClassVar[int] = 2

    is_public: ClassVar[bool] = False
    """Whether its own words may reach clients: those of a server behind ours name hosts and users."""


class StoreUnavailable(Unavailable):
    """PostgreSQL cannot be reached, or did not answer in time."""

    type = "store_unavailable"


class BrokerUnavailable(Unavailable):
    """The broker cannot be reached; the dispatcher rings again, so no task is lost."""

    type = "broker_unavailable"


class MemoriesUnavailable(Unavailable):
    """What remembers does not answer, or has too much to do. Its own words stay in the log."""

    type = "memories_unavailable"
    is_public = True
    retry_after_s = 5

    def __init__(self) -> None:
        super().__init__("The memories are away or busy: send the request again in a while.")


class TooManyStreams(Unavailable):
    """The process serves as many streams as it may."""

    type = "too_many_streams"
    is_public = True

    def __init__(self, limit: int, *, whose: str = "this server") -> None:
        super().__init__(
            f"There are {limit} streams of tasks open already, which is all that {whose} may have here; come "
            "again in a while, or read the events page by page."
        )


class StreamTooSlow(Unavailable):
    """A client did not read its stream: what waited for it would have grown without an end."""

    type = "stream_too_slow"
    is_public = True

    def __init__(self, room: int) -> None:
        super().__init__(
            f"More than {room} events waited to be read; follow the task again from the last event you have."
        )


class ServerStopping(Unavailable):
    """The process is told to stop."""

    type = "server_stopping"
    is_public = True
    retry_after_s = 1

    def __init__(self) -> None:
        super().__init__("This server stops; follow the task again from the last event you have.")


class CannotIsolate(OpsError):
    """The process that runs suspects could not be started; they wait."""


class TaskFailed(OpsError):
    """Raised by a handler to say why its task failed, and whether another attempt may help.

    `error_type` becomes `error.type` of the task; `retry_after_s`, when given, is the least rest before
    the next attempt (a provider's Retry-After); `reason` becomes the reason of the failed state. `partial`
    is what there was until then: the result of a task that nothing else comes of.
    """

    type = "task_failed"

    def __init__(
        self,
        error_type: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after_s: float | None = None,
        reason: str = "error",
        partial: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.partial = partial
        self.reason = reason
        self.message = message
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class FailedBeforeEffect(OpsError):
    """Raised by a call to say that it failed before anything happened: it may be made again."""

    type = "failed_before_effect"


class UnknownOutcome(OpsError):
    """Raised by a call of an unsafe step when nobody knows whether it took effect; a person will be asked."""

    type = "effect_unknown"


class LostOwnership(OpsError):
    """The task is owned under a later epoch, or is no longer running: this worker must stop working on it."""

    type = "lost_ownership"


class CancelRequested(OpsError):
    """A client was told that the task will be cancelled: no effect may begin in it any more."""

    type = "cancel_requested"


class IllegalMove(OpsError):
    """A move that the state machine does not have."""

    type = "illegal_move"


class TaskWaits(BaseException):
    """Ends a handler whose task waits for something: it comes back by replaying its log.

    Raised by `TaskLog.suspend`; handlers let it through. Not an `Exception`, so that the code of a step that
    handles its own errors does not take it for one.
    """
