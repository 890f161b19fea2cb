"""Which error becomes which status. One table for our errors, one for those of HTTP itself."""

from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ops_core.api.problems import problem
from ops_core.errors import (
    AgentExists,
    AgentNotFound,
    AlreadyResolved,
    ApiKeyNotFound,
    ApiKeyRevoked,
    AskNotFound,
    BudgetNotFound,
    DeliveryNotFound,
    IdempotencyConflict,
    InvalidRequest,
    LimitNotFound,
    LinksNotConfigured,
    MemoriesNotConfigured,
    MemoryNotFound,
    MissingScope,
    NotADeadLetter,
    NotAuthenticated,
    NothingAsked,
    NotNow,
    OpsError,
    RateLimited,
    ScheduleChanged,
    ScheduleExists,
    ScheduleNotFound,
    StreamTooSlow,
    TaskFinished,
    TaskNotEnded,
    TaskNotFound,
    TenantExists,
    TenantNotFound,
    ThreadArchived,
    ThreadBusy,
    ThreadExists,
    ThreadNotFound,
    TooManyStreams,
    TooManyWebhooks,
    Unavailable,
    WebhookNotFound,
    WorkerNotFound,
)
from ops_core.request import field_errors

#: Our errors that a client may see, each with its status and title. Any other one is our bug: 500.
STATUSES: Final[dict[type[OpsError], tuple[int, str]]] = {
    NotAuthenticated: (401, "Not authenticated"),
    MissingScope: (403, "Scope missing"),
    RateLimited: (429, "Too many requests"),
    InvalidRequest: (422, "Invalid request"),
    TaskNotFound: (404, "Task not found"),
    IdempotencyConflict: (409, "Idempotency key already used"),
    TaskFinished: (409, "Task already finished"),
    TaskNotEnded: (409, "Task not retriable"),
    NothingAsked: (409, "Nothing asked"),
    NotADeadLetter: (409, "Not a dead letter"),
    AskNotFound: (404, "Approval or input not found"),
    AlreadyResolved: (409, "Already resolved"),
    LinksNotConfigured: (409, "Links not configured"),
    ScheduleNotFound: (404, "Schedule not found"),
    ScheduleExists: (409, "Schedule already exists"),
    ScheduleChanged: (409, "Schedule changed meanwhile"),
    AgentNotFound: (404, "Agent not found"),
    AgentExists: (409, "Agent already defined"),
    ThreadNotFound: (404, "Thread not found"),
    ThreadExists: (409, "Thread already there"),
    ThreadBusy: (409, "Thread busy"),
    ThreadArchived: (409, "Thread archived"),
    ApiKeyNotFound: (404, "API key not found"),
    ApiKeyRevoked: (409, "API key revoked"),
    TenantNotFound: (404, "Tenant not found"),
    WorkerNotFound: (404, "Worker not found"),
    TenantExists: (409, "Tenant exists already"),
    WebhookNotFound: (404, "Webhook not found"),
    DeliveryNotFound: (404, "Delivery not found"),
    TooManyWebhooks: (409, "Too many webhooks"),
    LimitNotFound: (404, "Limit not found"),
    BudgetNotFound: (404, "Budget not found"),
    MemoryNotFound: (404, "Memory not found"),
    MemoriesNotConfigured: (409, "Memories not configured"),
    NotNow: (429, "Too many tasks"),
    Unavailable: (503, "Service unavailable"),
    TooManyStreams: (503, "Too many streams"),
    StreamTooSlow: (503, "Stream too slow"),
}

#: Types of the errors that are about HTTP and not about tasks, each with its title.
HTTP_TYPES: Final = {
    404: ("not_found", "Not found"),
    405: ("method_not_allowed", "Method not allowed"),
    408: ("request_timeout", "Request timeout"),
    413: ("body_too_large", "Body too large"),
    415: ("unsupported_media_type", "Unsupported media type"),
}

#: Not the error's own words: they may name hosts and users.
_AWAY: Final = (
    "Something that this request needs is away. Send it again; with the same Idempotency-Key a "
    "task that was stored after all is not stored twice."
)


async def on_ops_error(request: Request, error: OpsError) -> Response:
    status, title = next(STATUSES[cls] for cls in type(error).__mro__ if cls in STATUSES)
    headers = _headers(error)
    if isinstance(error, Unavailable):
        detail = str(error) if error.is_public else _AWAY
        return problem(request.scope, status, error.type, title, detail, headers=headers)
    more = None
    if isinstance(error, InvalidRequest):
        more = {"errors": [asdict(field) for field in error.errors]}
    return problem(request.scope, status, error.type, title, str(error), headers=headers, more=more)


def _headers(error: OpsError) -> dict[str, str] | None:
    """What a client's library looks for: when to come back, and what credentials would help (RFC 6750)."""
    if isinstance(error, Unavailable | RateLimited | NotNow):
        return {"Retry-After": str(error.retry_after_s)}
    challenge = 'Bearer realm="opspawn"'
    if isinstance(error, NotAuthenticated):
        wrong = ', error="invalid_token"' if error.has_credentials else ""
        return {"WWW-Authenticate": challenge + wrong}
    if isinstance(error, MissingScope):
        return {
            "WWW-Authenticate": f'{challenge}, error="insufficient_scope", scope="{error.scope}"'
        }
    return None


async def on_validation(request: Request, error: RequestValidationError) -> Response:
    """A wrong parameter, found by FastAPI; paths begin with `query` or `header`."""
    return await on_ops_error(request, InvalidRequest(field_errors(error.errors())))


async def on_http(request: Request, error: HTTPException) -> Response:
    """No such route, wrong method, and what this door refuses before the service sees it."""
    type_, title = HTTP_TYPES.get(error.status_code, ("http_error", "Request refused"))
    detail, headers = error.detail, error.headers
    if error.status_code == 404:
        detail = f"There is no {request.state.path[:200]} here; /docs lists what there is."
    if error.status_code == 405:
        allowed = _allowed(request)
        headers = {"Allow": allowed}
        detail = f"{request.method} is not possible here; what is: {allowed}."
    return problem(request.scope, error.status_code, type_, title, detail, headers=headers)


def _allowed(request: Request) -> str:
    """The methods of every route with this path (RFC 9110); FastAPI names those of the first."""
    path = request.state.path.rstrip("/")
    methods: set[str] = set()
    for route in request.app.state.routes:
        if route.path_regex.match(path) or route.path_regex.match(f"{path}/"):
            methods |= route.methods
    return ", ".join(sorted(methods))


async def on_disconnect(_request: Request, _error: ClientDisconnect) -> Response:
    """The client has gone: nobody reads this, and nothing is wrong with us."""
    return Response(status_code=400)


HANDLERS: Final[
    dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]]
] = {
    **dict.fromkeys(STATUSES, on_ops_error),
    RequestValidationError: on_validation,
    HTTPException: on_http,
    ClientDisconnect: on_disconnect,
}


async def answer_to(request: Request, error: Exception) -> Response:
    """What the handler of the error's class, or of a base of it, answers. Raises the error without one."""
    handler = next((HANDLERS[cls] for cls in type(error).__mro__ if cls in HANDLERS), None)
    if handler is None:
        raise error
    return await handler(request, error)
