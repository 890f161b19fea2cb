"""What the command line asks of a running server: the calls of `opspawn.client`, answered as JSON.

Every failure is one of two: `Unreachable` (nobody answers; trying again may help) or `Refused` (the
server said no, and why).
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from opspawn import client as api
from opspawn.cli.exits import Refused, Unreachable
from opspawn.cli.text import one_line
from opspawn.client.async_transport import AsyncTransport
from opspawn.client.call import Call, Json
from opspawn.client.following import live
from opspawn.client.reading import as_it_is
from opspawn.client.rules import Patience, answered, is_passing

#: Somebody waits at a terminal: what does not help within seconds is told.
PATIENCE: Final = Patience(attempts=3, longest_retry_after_s=2.0)

#: For whoever tries again himself.
ONCE: Final = Patience(attempts=1)


@dataclass(frozen=True, slots=True)
class Event:
    """One event as the server sends it."""

    seq: int
    type: str
    at: datetime
    data: Json
    raw: Json


class ApiClient(AsyncTransport):
    """One server's `/api/v1`. Close it (or use `async with`)."""

    def __init__(self, url: str, key: str | None = None) -> None:
        """`key`: an API key or a token."""
        try:
            # No key is none, and not the one of the environment: who asks has looked there.
            super().__init__(url, key or "")
        except (api.OpspawnError, ValueError):
            raise Refused(f"{url.rstrip('/')} is not an HTTP address; set OPSPAWN_URL.") from None

    async def ask(self, call: Call[Any], *, patience: Patience = PATIENCE) -> Json:
        """What the call is answered with."""
        async with self._in_our_words():
            return await self._carried_out(answered(replace(call, read=as_it_is), patience))

    async def events(self, task_id: str, *, after: int) -> AsyncGenerator[Event, None]:
        """The events after `after`, live, in order; ends with the task, or when the server stops."""
        async with (
            self._in_our_words(),
            aclosing(self._given(lambda: live(task_id, after))) as told,
        ):
            try:
                async for event in told:
                    yield _event(event)
            except api.Refused as error:
                if error.status < 500:
                    raise
                raise Unreachable(f"{self.url} broke off: {one_line(error.detail)}") from error

    @asynccontextmanager
    async def _in_our_words(self) -> AsyncIterator[None]:
        try:
            yield
        except api.Unreachable as error:
            said = str(error).removesuffix(".")
            raise Unreachable(
                f"{said}: start one with `opspawn up`, or set OPSPAWN_URL."
            ) from error
        except api.Refused as error:
            _refuse(self.url, error)


def _refuse(url: str, error: api.Refused) -> NoReturn:
    is_ours = error.type != api.HTTP_ERROR
    if is_passing(error):
        detail = one_line(error.detail if is_ours else f"HTTP {error.status}")
        raise Unreachable(f"{url} cannot answer now: {detail}") from error
    if not is_ours:
        message = f"{url} answered HTTP {error.status}, not as Opspawn; set OPSPAWN_URL."
        raise Refused(message) from error
    if error.status == 401:
        raise Refused(f"{one_line(error.detail, 300)} Set OPSPAWN_API_KEY.") from error
    fields = [f"{field.path}: {field.message}" for field in error.errors]
    raise Refused(one_line("; ".join(fields) or error.detail, 1000)) from error


def _event(raw: Json) -> Event:
    data = raw.get("data")
    return Event(
        seq=int(raw["seq"]),
        type=str(raw["type"]),
        at=_time(raw.get("at")),
        data=data if isinstance(data, dict) else {},
        raw=raw,
    )


def _time(value: object) -> datetime:
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC)
    except ValueError:
        return datetime.now(UTC)
