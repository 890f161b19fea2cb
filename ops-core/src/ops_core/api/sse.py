"""Server-sent events: a watch of a task, written as they are defined in the HTML standard."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Final

import structlog
from pydantic import TypeAdapter
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ops_core.api.disconnect import unless_gone
from ops_core.api.errors import STATUSES
from ops_core.api.problems import PREFIX
from ops_core.api.views import EventView
from ops_core.errors import CallerError, OpsError, ServerStopping, Unavailable
from ops_core.log import Event
from ops_core.streams.signals import Delta
from ops_core.streams.told import Told
from ops_core.streams.watch import Watch

log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "text/event-stream"

#: What a client waits before it comes again when the stream ends under it. Milliseconds.
RETRY_MS: Final = 1000

_OPENING: Final = f"retry: {RETRY_MS}\n\n".encode()
_KEEPALIVE: Final = b": still here\n\n"
_STOPPING: Final = b": this server stops, come again with Last-Event-ID\n\n"

_EVENT: Final = TypeAdapter(EventView)


class EventStream(Response):
    """Writes a watch until it is over or the client has gone, and closes it in any case.

    What goes wrong after the first byte is told in an `error` event, which has no id: the client comes again
    and goes on after the last one that it has.
    """

    media_type = MEDIA_TYPE

    def __init__(self, watch: Watch, *, keepalive_s: float) -> None:
        super().__init__(
            # A cache or a proxy that collects what it passes on would hold the stream back.
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        del self.headers["content-length"]
        self._watch = watch
        self._keepalive_s = keepalive_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._watch, suppress(ClientDisconnect):
            await unless_gone(receive, self._write(send))

    async def _write(self, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        async for chunk in self._chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield _OPENING
        try:
            while not self._watch.over:
                told = await self._watch.next(self._keepalive_s)
                if told:
                    yield _frames(told)
                elif not self._watch.over:
                    yield _KEEPALIVE
        except ServerStopping:
            yield _STOPPING
        except (CallerError, Unavailable) as error:
            yield error_frame(error)
        # Protects the client: half a stream must not look whole, nor say what a bug says.
        except Exception:
            log.exception("stream_failed")
            yield error_frame(None)


def _frames(told: Sequence[Told | Delta]) -> bytes:
    return b"".join(
        one.written(event_frame) if isinstance(one, Told) else delta_frame(one) for one in told
    )


def event_frame(event: Event) -> bytes:
    """One event: its `data` is the same JSON as on a page."""
    data = _EVENT.dump_json(EventView.of(event)).decode()
    return f"id: {event.seq}\nevent: {event.type}\ndata: {data}\n\n".encode()


def delta_frame(delta: Delta) -> bytes:
    """Without an id: a client that comes again does not ask for it."""
    data = json.dumps({"type": delta.type, "data": delta.data}, ensure_ascii=False)
    return f"event: {delta.type}\ndata: {data}\n\n".encode()


def error_frame(error: OpsError | None) -> bytes:
    """A problem, as it would be answered before the stream began. None: a fault of ours."""
    if error is None:
        problem = {"type": f"{PREFIX}internal", "title": "Internal error", "status": 500}
    else:
        status, title = next(STATUSES[cls] for cls in type(error).__mro__ if cls in STATUSES)
        problem = {"type": PREFIX + error.type, "title": title, "status": status}
        problem["detail"] = str(error)
    return f"event: error\ndata: {json.dumps(problem)}\n\n".encode()
