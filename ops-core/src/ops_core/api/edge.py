"""The outermost layer: gives every request an id, and answers for our bugs."""

import re
from typing import Final
from uuid import uuid4

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from ops_core.api.problems import problem

log = structlog.get_logger(__name__)

#: A client's own id is taken over when it is safe to log and to send back.
_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Edge:
    """Gives a request its id: in `scope["state"]`, in its log lines and, as `X-Request-Id`, back.

    `scope["state"]["path"]` keeps the path as it was asked for: routing may change the scope's own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {}).update(request_id=request_id, path=scope["path"])
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        bound = bind_contextvars(request_id=request_id)
        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            # Protects the client: what a bug says goes to the log, never over the wire.
            log.exception("request_failed", method=scope["method"], path=_told(scope["path"]))
            if started:
                raise  # the server breaks the connection: half an answer must not look whole
            await _internal(scope)(scope, receive, send_with_id)
        finally:
            reset_contextvars(**bound)


def _told(path: str) -> str:
    """What the log may know of a path: a signed link is a key."""
    return "/l/…" if path.startswith("/l/") else path


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _ID.fullmatch(given) else uuid4().hex


def _internal(scope: Scope) -> ASGIApp:
    return problem(
        scope,
        500,
        "internal",
        "Internal error",
        "This is a fault of the server. Its log has the reason, under this request_id.",
    )
