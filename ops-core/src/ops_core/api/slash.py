"""Answers a path with and without its trailing slash; a redirect would lose a POST's body."""

from typing import Final

from starlette.routing import Router
from starlette.types import Receive, Scope, Send

_TRIED: Final = "ops_core.other_slash"


class OtherSlash:
    """What a router does with a path that no route has: tries it with the slash added or removed.

    A path that is spelled as documented never gets here, so it costs nothing.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._not_found = router.default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _TRIED in scope:
            await self._not_found(scope, receive, send)
            return
        path: str = scope["path"]
        other = path[:-1] if path.endswith("/") else f"{path}/"
        await self._router.app({**scope, "path": other, _TRIED: True}, receive, send)
