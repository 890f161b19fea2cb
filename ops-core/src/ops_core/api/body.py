"""Bounds the body of a request in size and in time, and reads it."""

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ops_core.api.headers import header


class BodyLimit:
    """Counts a body while it streams in, whatever its Content-Length says.

    Reading raises 413 as soon as more than `max_bytes` are announced or have come, so no more than
    that is ever held in memory, and 408 when the body is not whole after `timeout_s`.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, timeout_s: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = header(scope, b"content-length") or ""
        seen = 0
        whole = False
        deadline = asyncio.get_running_loop().time() + self._timeout_s

        async def limited() -> Message:
            nonlocal seen, whole
            if whole:  # what comes after the body is the disconnect, which may take its time
                return await receive()
            if announced.isdecimal() and int(announced) > self._max_bytes:
                raise self._too_large()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, self._too_slow()) from None
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:
                raise self._too_large()
            whole = not message.get("more_body", False)
            return message

        await self._app(scope, limited, send)

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"The body may hold at most {self._max_bytes} bytes.")

    def _too_slow(self) -> str:
        return f"The body did not arrive within {self._timeout_s:g} seconds."


async def whole_body(request: Request) -> bytes:
    """The body, once: most come in one piece. Raises `ClientDisconnect`, and what `BodyLimit` refuses."""
    pieces: list[bytes] = []
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(pieces)
