"""The outermost layer: gives every request an id, and answers for our bugs."""

import re
from secrets import token_hex
from time import perf_counter
from typing import Final

import structlog
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from ops_core.api.headers import header
from ops_core.api.problems import problem
from ops_core.metrics.tally import Tally

log = structlog.get_logger(__name__)

#: Those that are told apart.
METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})

#: A client's own id is taken over when it is safe to log and to send back.
_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Edge:
    """Gives a request its id: in `scope["state"]`, in its log lines and, as `X-Request-Id`, back. Counts it.

    `scope["state"]["path"]` keeps the path as it was asked for: routing may change the scope's own. Who finds
    out which route it is says so in `scope["state"]["route"]`.
    """

    def __init__(self, app: ASGIApp, *, tally: Tally) -> None:
        self._app = app
        self._tally = tally

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {}).update(request_id=request_id, path=scope["path"])
        started, began_s = False, perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                took_s = perf_counter() - began_s
                self._tally.note(_method(scope), _route(scope), str(message["status"]), took_s)
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


def _method(scope: Scope) -> str:
    """One of few, whatever a client sends."""
    method: str = scope["method"]
    return method if method in METHODS else "other"


def _route(scope: Scope) -> str:
    """The template of the path, never the path itself: there are few templates, and no ids in them."""
    told: str | None = scope["state"].get("route")
    if told is not None:
        return told
    route = scope.get("route") or _beside(scope)
    return getattr(route, "path_format", "other")


def _beside(scope: Scope) -> Route | None:
    """The route of what is no operation of ours: pages of the document, doors of other protocols."""
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return None
    routes = (route for route in scope["app"].router.routes if isinstance(route, Route))
    return next((route for route in routes if route.endpoint == endpoint), None)


def _told(path: str) -> str:
    """What the log may know of a path: a signed link is a key."""
    return "/l/…" if path.startswith("/l/") else path


def _request_id(scope: Scope) -> str:
    given = header(scope, b"x-request-id")
    return given if given is not None and _ID.fullmatch(given) else token_hex(16)


def _internal(scope: Scope) -> ASGIApp:
    return problem(
        scope,
        500,
        "internal",
        "Internal error",
        "This is a fault of the server. Its log has the reason, under this request_id.",
    )
