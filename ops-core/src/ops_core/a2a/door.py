"""`/a2a/{agent}` and the cards: the routes in the ASGI application."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ops_core.a2a.card import VERSION, card_of
from ops_core.a2a.desk import Call, Desk
from ops_core.a2a.errors import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    Refusal,
    error_of,
)
from ops_core.a2a.errors import VERSION as WRONG_VERSION
from ops_core.a2a.operations import OPERATIONS
from ops_core.a2a.security import OPEN
from ops_core.a2a.streaming import STREAMS, Told
from ops_core.agent_tasks import AgentInfo
from ops_core.api.admission import admit, identify
from ops_core.api.dependencies import json_bytes
from ops_core.api.visitors import Visitors
from ops_core.errors import MissingScope, NotAuthenticated, RateLimited
from ops_core.principal import Principal
from ops_core.task import JsonObject

CARD: Final = "/.well-known/agent-card.json"

#: What the audit log calls a request of which it is not known yet what it asks.
_ANY: Final = "a2a"

#: The longest id that is sent back. Characters.
_MAX_ID: Final = 1000

Id = str | int | None


class A2aDoor:
    """JSON-RPC 2.0, one path an agent."""

    def __init__(
        self,
        desk: Desk,
        *,
        visitors: Visitors | None = None,
        public_url: str | None = None,
        version: str = "0.1.0",
        security: JsonObject = OPEN,
    ) -> None:
        self._desk = desk
        self._visitors = visitors or Visitors()
        self._public_url = public_url
        self._version = version
        self._security = security

    def routes(self) -> list[Route]:
        """For the application that it is a part of."""
        return [
            Route(CARD, self._root_card, include_in_schema=False),
            Route(f"/a2a/{{agent}}{CARD}", self._card, include_in_schema=False),
            Route("/a2a/{agent}", self._answer, methods=["POST"], include_in_schema=False),
        ]

    async def _root_card(self, request: Request) -> Response:
        """Public: clients read it before they know how to say who they are."""
        return self._shown(request, self._desk.agents.default)

    async def _card(self, request: Request) -> Response:
        who = await admit(request, "get_task")
        name = request.path_params["agent"]
        agents = await self._desk.agents.agents_of(who.tenant_id)
        agent = next((agent for agent in agents if agent.name == name), None)
        if agent is None:
            raise HTTPException(404)
        return self._shown(request, agent)

    def _shown(self, request: Request, agent: AgentInfo) -> Response:
        base = self._public_url or str(request.base_url)
        url = f"{base.rstrip('/')}/a2a/{agent.name}"
        return JSONResponse(card_of(agent, url, self._version, self._security))

    async def _answer(self, request: Request) -> Response:
        self._visitors.check(request.headers)
        await identify(request, _ANY)  # nobody else's body is read
        body = await json_bytes(request, "request")
        id_: Id = None
        try:
            id_, method, params = _read(body)
            _check_version(request)
            return await _handled(self._call(request), id_, method, params)
        except (NotAuthenticated, MissingScope, RateLimited):
            raise  # by the status of HTTP, where clients look for it
        except Exception as error:  # noqa: BLE001  # JSON-RPC: what goes wrong is an answer too
            return JSONResponse(_message(id_, error=error_of(error)))

    def _call(self, request: Request) -> Call:
        async def may(operation: str, about: str = "") -> Principal:
            return await admit(request, operation, about)

        async def still() -> Principal:
            return await identify(request, _ANY)

        return Call(desk=self._desk, agent=request.path_params["agent"], may=may, still=still)


async def _handled(call: Call, id_: Id, method: str, params: Any) -> Response:
    if method in STREAMS:
        told = await STREAMS[method](call, params)
        return StreamingResponse(_events(id_, told), media_type="text/event-stream")
    if method in OPERATIONS:
        return JSONResponse(_message(id_, result=await OPERATIONS[method](call, params)))
    known = ", ".join([*OPERATIONS, *STREAMS])
    raise Refusal(METHOD_NOT_FOUND, f"There is no such method; known: {known}.")


def _read(body: bytes) -> tuple[Id, str, Any]:
    """The id, the method and the parameters. Raises `Refusal`."""
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(PARSE_ERROR, "The body is not JSON.") from None
    if not isinstance(sent, dict) or sent.get("jsonrpc") != "2.0":
        raise Refusal(INVALID_REQUEST, 'Send one JSON-RPC 2.0 request: {"jsonrpc": "2.0", …}.')
    id_, method = sent.get("id"), sent.get("method")
    if not isinstance(method, str) or not isinstance(id_, str | int | None):
        raise Refusal(INVALID_REQUEST, "method must be a string, and id a string or an integer.")
    if isinstance(id_, str) and (len(id_) > _MAX_ID or _has_surrogates(id_)):
        problem = f"id must be at most {_MAX_ID} characters that UTF-8 has."
        raise Refusal(INVALID_REQUEST, problem)
    return id_, method, sent.get("params") or {}


def _has_surrogates(text: str) -> bool:
    """JSON can name half a character, which no answer can be written with."""
    return any("\ud800" <= sign <= "\udfff" for sign in text)


def _check_version(request: Request) -> None:
    """A client that names no version speaks 0.3, says the specification."""
    named = request.headers.get("a2a-version") or request.query_params.get("A2A-Version") or "0.3"
    if named.split(".")[:2] != VERSION.split("."):
        raise Refusal(
            WRONG_VERSION,
            f"This door speaks A2A {VERSION}; send the header A2A-Version: {VERSION}.",
        )


def _message(id_: Id, **said: JsonObject) -> JsonObject:
    return {"jsonrpc": "2.0", "id": id_, **said}


async def _events(id_: Id, told: AsyncIterator[Told]) -> AsyncIterator[str]:
    """Server-sent events, each one response; the last one may be an error."""
    try:
        async for one in told:
            if one is None:
                yield ": still here\n\n"
            else:
                yield f"data: {json.dumps(_message(id_, result=one))}\n\n"
    except Exception as error:  # noqa: BLE001  # as above; the client subscribes again
        yield f"data: {json.dumps(_message(id_, error=error_of(error)))}\n\n"
