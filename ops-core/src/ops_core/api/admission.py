"""Lets a request in, before anything of it is read but its first line and its headers."""

from typing import Final

from fastapi import Request

from ops_core.identity.gate import Attempt, Gate
from ops_core.identity.needs import PUBLIC
from ops_core.principal import Principal

#: Who is not asked for his name sees no tenant's rows.
_NOBODY: Final = Principal(tenant_id="", subject="nobody")


async def admitted(request: Request) -> Principal:
    """Who asks. Every route depends on it before its other dependencies. Raises as `Gate.admit`."""
    operation: str = request.scope["route"].name
    if operation in PUBLIC:
        return _NOBODY
    return await admit(request, operation, "/".join(map(str, request.path_params.values())))


async def admit(request: Request, operation: str, about: str = "") -> Principal:
    """Who asks for that. For doors that know only by then what is asked, and of which task.

    Raises as `Gate.admit`.
    """
    gate: Gate = request.app.state.services.gate
    attempt = Attempt(
        operation=operation,
        authorization=request.headers.get("authorization"),
        request_id=request.state.request_id,
    )
    principal = await gate.admit(attempt)
    await gate.record(attempt, principal, about)
    return principal
