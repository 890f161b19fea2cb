"""Keeps pages in browsers away from doors that have no other guard against them (DNS rebinding)."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from ops_core.api.problems import problem

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

#: Open to everybody anyway: they say how the process is, to probes that call it by any name.
_PROBES: Final = frozenset({"/health", "/ready"})

#: A signed link is its own key, which no trick guesses; and its page says no origin (`no-referrer`).
_LINKS: Final = "/l/"


@dataclass(frozen=True, slots=True)
class Visitors:
    """Whose requests are looked at.

    `names`: what this server is called besides `localhost`, such as the host of its public URL. `local`:
    it listens on this machine alone, so a request that calls it anything else was led here by a trick.
    """

    names: frozenset[str] = frozenset()
    local: bool = False

    def check(self, headers: Headers) -> None:
        """Raises 403. A browser sends an Origin with each POST, and a page cannot leave it out."""
        known = LOOPBACK | self.names
        origin = headers.get("origin")
        if origin is not None and _host(origin) not in known:
            raise HTTPException(
                403, "Pages of other origins may not use this door; see OPSPAWN_PUBLIC_URL."
            )
        if self.local and _host(f"//{headers.get('host', '')}") not in known:
            raise HTTPException(
                403, "This server is not called by that name; see OPSPAWN_PUBLIC_URL."
            )


class OnlyVisitors:
    """All of an application for these visitors alone: one whose doors ask nobody who he is."""

    def __init__(self, app: ASGIApp, *, visitors: Visitors) -> None:
        self._app = app
        self._visitors = visitors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_for_everybody(scope["path"]):
            try:
                self._visitors.check(Headers(scope=scope))
            except HTTPException as refused:
                answer = problem(scope, 403, "http_error", "Request refused", refused.detail)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_for_everybody(path: str) -> bool:
    return path in _PROBES or path.startswith(_LINKS)


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
