"""Lets a request in, before anything of it is read but its first line and its headers."""

from typing import Final

from fastapi import Request

from ops_core.api.headers import header
from ops_core.identity.gate import Attempt, Gate
from ops_core.identity.needs import PUBLIC
from ops_core.principal import Principal

#: Who is not asked for his name sees no tenant's rows.
_NOBODY: Final = Principal(tenant_id="", subject="nobody")


async def admitted(request: Request) -> Principal:
    """Who asks. Every route depends on it before its other dependencies. Raises as `Gate.admit`."""
    route = request.scope["route"]
    request.scope["state"]["route"] = route.path_format
    operation: str = route.name
    if operation in PUBLIC:
        return _NOBODY
    return await admit(request, operation, _about(request))


def _about(request: Request) -> str:
    """What it is done to: what the path names, and whose things the query does."""
    whose = [(name, request.query_params.get(name)) for name in ("agent", "user")]
    named = [f"{name}={value}" for name, value in whose if value is not None]
    return "/".join([*map(str, request.path_params.values()), *named])


async def admit(request: Request, operation: str, about: str = "") -> Principal:
    """Who asks for that. For doors that know only by then what is asked, and of which task.

    Raises as `Gate.admit`.
    """
    gate, attempt = _gate(request), _attempt(request, operation)
    principal = await gate.admit(attempt)
    await gate.record(attempt, principal, about)
    return principal


async def identify(request: Request, operation: str) -> Principal:
    """Who asks: before it is read what for, or once more, for what goes on. Raises as `Gate.identify`."""
    return await _gate(request).identify(_attempt(request, operation))


def _gate(request: Request) -> Gate:
    gate: Gate = request.app.state.services.gate
    return gate


def _attempt(request: Request, operation: str) -> Attempt:
    return Attempt(
        operation=operation,
        authorization=header(request.scope, b"authorization"),
        request_id=request.scope["state"]["request_id"],
    )
