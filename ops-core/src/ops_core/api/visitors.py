"""Keeps pages in browsers away from doors that have no other guard against them (DNS rebinding)."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


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


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
