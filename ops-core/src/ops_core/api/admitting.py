"""Who asks, for the doors beside REST that are served by the same process."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request

from ops_core.principal import EVERYBODY, Principal

#: Of a request and the operation (as REST calls its function) that it comes to.
Admit = Callable[[Request, str], Awaitable[Principal]]


async def everybody(_request: Request, _operation: str) -> Principal:
    """Lets everybody in."""
    return EVERYBODY
