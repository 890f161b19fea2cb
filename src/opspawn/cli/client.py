"""The REST door from the outside: what the command line asks of a running server.

Every failure is one of two: `Unreachable` (nobody answers; trying again may help) or `Refused` (the
server said no, and why).
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx2

from opspawn.cli.exits import Refused, Unreachable
from opspawn.cli.text import one_line
from opspawn.client.call import segment
from opspawn.client.sse import Frames
from opspawn.client.wire import is_local

Json = dict[str, Any]

#: Seconds for a request; the server answers from its database, so this is generous.
TIMEOUT_S = 10.0

#: A stream is silent for as long as its task, but for a sign of life now and then.
STREAM_TIMEOUT = httpx2.Timeout(TIMEOUT_S, read=60.0)


@dataclass(frozen=True, slots=True)
class Event:
    """One event as the server sends it."""

    seq: int
    type: str
    at: datetime
    data: Json
    raw: Json


class ApiClient:
    """One server's `/api/v1`. Close it (or use `async with`)."""

    def __init__(self, url: str, key: str | None = None) -> None:
        """`key`: an API key or a token."""
        self.url = url.rstrip("/")
        self._http = httpx2.AsyncClient(
            timeout=TIMEOUT_S,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            # A proxy from the environment cannot reach a server on this machine.
            trust_env=not is_local(self.url),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def submit(self, body: Json, *, idempotency_key: str) -> Json:
        """Returns the stored task. May be called again with the same key after `Unreachable`."""
        headers = {"Idempotency-Key": idempotency_key}
        return await self._ask("POST", "/tasks/", json=body, headers=headers)

    async def task(self, task_id: str) -> Json:
        return await self._ask("GET", f"/tasks/{segment(task_id)}")

    async def tasks(self, where: Mapping[str, str | int]) -> Json:
        return await self._ask("GET", "/tasks/", params=dict(where))

    async def retry(self, task_id: str) -> Json:
        return await self._ask("POST", f"/tasks/{segment(task_id)}/retry")

    async def fork(self, task_id: str, body: Json, *, idempotency_key: str) -> Json:
        """Returns the new task. May be called again with the same key after `Unreachable`."""
        headers = {"Idempotency-Key": idempotency_key}
        path = f"/tasks/{segment(task_id)}/fork"
        return await self._ask("POST", path, json=body, headers=headers)

    async def cancel(self, task_id: str) -> Json:
        return await self._ask("POST", f"/tasks/{segment(task_id)}/cancel")

    async def steps(self, task_id: str, *, after: int, limit: int) -> Json:
        params = {"after": after, "limit": limit}
        return await self._ask("GET", f"/tasks/{segment(task_id)}/steps", params=params)

    async def children(self, task_id: str, *, limit: int) -> Json:
        return await self._ask(
            "GET", f"/tasks/{segment(task_id)}/children", params={"limit": limit}
        )

    async def answer(self, task_id: str, body: Json) -> Json:
        return await self._ask("POST", f"/tasks/{segment(task_id)}/input", json=body)

    async def resolve(self, kind: str, task_id: str, step: str, body: Json) -> Json:
        """`kind` is `effects` or `approvals`."""
        path = f"/tasks/{segment(task_id)}/{kind}/{segment(step)}/resolve"
        return await self._ask("POST", path, json=body)

    async def approvals(self, where: Mapping[str, str | int]) -> Json:
        return await self._ask("GET", "/approvals/", params=dict(where))

    async def approval(self, approval_id: str) -> Json:
        return await self._ask("GET", f"/approvals/{segment(approval_id)}")

    async def resolve_approval(self, approval_id: str, body: Json) -> Json:
        return await self._ask("POST", f"/approvals/{segment(approval_id)}/resolve", json=body)

    async def dead_letters(self, *, limit: int) -> Json:
        return await self._ask("GET", "/dead-letters", params={"limit": limit})

    async def dead_letter(self, task_id: str, verb: str) -> Json:
        """`verb` is `retry` or `discard`."""
        return await self._ask("POST", f"/dead-letters/{segment(task_id)}/{verb}")

    async def schedules(self, *, limit: int) -> Json:
        return await self._ask("GET", "/schedules/", params={"limit": limit})

    async def schedule(self, schedule_id: str) -> Json:
        return await self._ask("GET", f"/schedules/{segment(schedule_id)}")

    async def schedule_part(self, schedule_id: str, part: str, params: Mapping[str, int]) -> Json:
        """`part` is `next` or `firings`."""
        path = f"/schedules/{segment(schedule_id)}/{part}"
        return await self._ask("GET", path, params=dict(params))

    async def create_schedule(self, body: Json) -> Json:
        return await self._ask("POST", "/schedules/", json=body)

    async def schedule_verb(self, schedule_id: str, verb: str, body: Json | None = None) -> Json:
        """`verb` is `pause` or `resume`; only the first has a body."""
        path = f"/schedules/{segment(schedule_id)}/{verb}"
        return await self._ask("POST", path, **({} if body is None else {"json": body}))

    async def trigger_schedule(self, schedule_id: str, *, idempotency_key: str) -> Json:
        """Returns the task. May be called again with the same key after `Unreachable`."""
        headers = {"Idempotency-Key": idempotency_key}
        path = f"/schedules/{segment(schedule_id)}/trigger"
        return await self._ask("POST", path, headers=headers)

    async def delete_schedule(self, schedule_id: str) -> Json:
        return await self._ask("DELETE", f"/schedules/{segment(schedule_id)}")

    async def agents(self, *, limit: int) -> Json:
        return await self._ask("GET", "/agents/", params={"limit": limit})

    async def agent(self, name: str, version: int | None) -> Json:
        path = f"/agents/{segment(name)}"
        return await self._ask("GET", path if version is None else f"{path}/versions/{version}")

    async def put_agent(self, name: str, definition: Json) -> Json:
        """The same definition once more is the same version: it may be called again."""
        return await self._ask("PUT", f"/agents/{segment(name)}", json={"definition": definition})

    async def events(self, task_id: str, *, after: int) -> AsyncGenerator[Event, None]:
        """The events after `after`, live, in order; ends with the task, or when the server stops."""
        path = f"/tasks/{segment(task_id)}/events"
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        async with (
            self._reached(),
            self._http.stream(
                "GET", f"{self.url}/api/v1{path}", headers=headers, timeout=STREAM_TIMEOUT
            ) as answer,
        ):
            if not answer.is_success:
                await answer.aread()
                raise self._problem(answer, _json_object(answer))
            frames = Frames()
            async for line in answer.aiter_lines():
                if (frame := frames.fed(line)) is None:
                    continue
                name, data = frame
                if name == "error":
                    detail = one_line(data.get("detail") or data.get("title") or "it ended")
                    raise Unreachable(f"{self.url} broke off: {detail}")
                yield _event(data)

    async def _ask(self, method: str, path: str, **arguments: Any) -> Json:
        async with self._reached():
            answer = await self._http.request(method, f"{self.url}/api/v1{path}", **arguments)
        body = {} if answer.status_code == 204 else _json_object(answer)
        if answer.is_success and body is not None:
            return body
        raise self._problem(answer, body)

    @asynccontextmanager
    async def _reached(self) -> AsyncIterator[None]:
        """Says in our words why the server was not reached."""
        try:
            yield
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
            raise Refused(f"{self.url} is not an HTTP address; set OPSPAWN_URL.") from None
        except (httpx2.HTTPError, OSError) as error:
            raise Unreachable(
                f"No Opspawn answers at {self.url} ({_why(error)}): start one with `opspawn up`, "
                "or set OPSPAWN_URL."
            ) from error

    def _problem(self, answer: httpx2.Response, body: Json | None) -> Refused | Unreachable:
        if answer.status_code in {429, 502, 503, 504}:
            detail = one_line((body or {}).get("detail") or f"HTTP {answer.status_code}")
            return Unreachable(f"{self.url} cannot answer now: {detail}")
        if body is None or "title" not in body:
            return Refused(
                f"{self.url} answered HTTP {answer.status_code}, not as Opspawn; set OPSPAWN_URL."
            )
        if answer.status_code == 401:
            return Refused(f"{one_line(body.get('detail'), 300)} Set OPSPAWN_API_KEY.")
        errors = body.get("errors") or []
        fields = [f"{e.get('path')}: {e.get('message')}" for e in errors if isinstance(e, dict)]
        return Refused(one_line("; ".join(fields) or body.get("detail") or body["title"], 1000))


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


def _json_object(answer: httpx2.Response) -> Json | None:
    try:
        body = answer.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _why(error: Exception) -> str:
    return one_line(str(error) or type(error).__name__)
