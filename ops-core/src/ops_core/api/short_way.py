"""The short way to what clients do all the time: to submit a task, and to read one.

A route of FastAPI costs more than what these two do: layers of its own, a router that looks twice, and
dependencies resolved one by one. They are answered here, before all of that, as their routes in `tasks` do
it: behind the same guards, by the same gate, parser, service, view and errors. Whatever is not plain (a
query, a preference, a path below another one) goes the long way, to the route; `test_api_short_way`
compares the two.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from fastapi import Request
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ops_core.api.admission import admit
from ops_core.api.dependencies import sent_task, services_of
from ops_core.api.errors import answer_to
from ops_core.api.headers import header
from ops_core.api.tasks import PREFIX, accepted, shown
from ops_core.api.views import TaskView
from ops_core.errors import OpsError

_SUBMIT_PATHS: Final = frozenset({PREFIX, f"{PREFIX}/"})
_TASK_PATH: Final = f"{PREFIX}/"
_TASK_ROUTE: Final = f"{PREFIX}/{{task_id}}"
_TASK: Final = TypeAdapter(TaskView)

#: Where the scope keeps what answers it.
_ANSWER: Final = "ops_core.answer"


Answer: TypeAlias = Callable[[Request], Awaitable[Response]]


class ShortWay:
    """Answers plain requests for a task itself, behind `guards`, and leaves all others to `app`.

    The first guard is the outermost. `app` stands behind guards of its own.
    """

    def __init__(self, app: ASGIApp, guards: Sequence[Middleware]) -> None:
        self._app = app
        self._answering: ASGIApp = _answering
        for guard in reversed(guards):
            self._answering = guard.cls(self._answering, *guard.args, **guard.kwargs)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _answer(scope) if _is_plain(scope) else None
        if found is None:
            await self._app(scope, receive, send)
            return
        scope[_ANSWER], scope.setdefault("state", {})["route"] = found
        await self._answering(scope, receive, send)


async def _answering(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive, send)
    try:
        response = await scope[_ANSWER](request)
    except (OpsError, HTTPException, ClientDisconnect) as error:
        response = await answer_to(request, error)
    await response(scope, receive, send)


def _is_plain(scope: Scope) -> bool:
    """Whether nothing in the request asks for more than the task."""
    return (
        scope["type"] == "http"
        and not scope["query_string"]
        and not scope.get("root_path")
        and header(scope, b"prefer") is None
    )


def _answer(scope: Scope) -> tuple[Answer, str] | None:
    """What answers a plain request, and the template of its path; None: only its route does."""
    method, path = scope["method"], scope["path"]
    if method == "POST" and path in _SUBMIT_PATHS:
        return create_task, _TASK_PATH
    if method == "GET" and _names_task(path):
        return get_task, _TASK_ROUTE
    return None


def _names_task(path: str) -> bool:
    return path.startswith(_TASK_PATH) and path != _TASK_PATH and path.count("/") == 4


async def create_task(request: Request) -> Response:
    """As `tasks.create_task`."""
    who = await admit(request, "create_task")
    sent = await sent_task(request)
    key = header(request.scope, b"idempotency-key")
    submitted = await accepted(services_of(request), who, sent, key)
    headers = {"Location": f"{PREFIX}/{submitted.task.task_id}"}
    if not submitted.created:
        headers["Idempotent-Replay"] = "true"
    return _json(TaskView.of(submitted.task), 201 if submitted.created else 200, headers)


async def get_task(request: Request) -> Response:
    """As `tasks.get_task`."""
    task_id = request.scope["path"].removeprefix(_TASK_PATH)
    who = await admit(request, "get_task", task_id)
    services = services_of(request)
    task = await services.tasks.get(task_id, tenant_id=who.tenant_id)
    return _json(await shown(services, task))


def _json(view: TaskView, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(_TASK.dump_json(view), status, headers, "application/json")
