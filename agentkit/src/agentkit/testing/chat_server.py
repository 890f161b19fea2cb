"""A server that speaks OpenAI's chat completions over a real socket, one scripted reply at a time.

Real SDKs against a real socket find what mocks cannot: headers, retries, half-closed connections.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias


@dataclass(frozen=True, slots=True)
class HttpReply:
    """One HTTP answer; `body` is sent as it is."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stall:
    """Answer nothing until the client hangs up."""


@dataclass(frozen=True, slots=True)
class Trickle:
    """Answer with a byte every 10 ms that means nothing, until the client hangs up."""


@dataclass(frozen=True, slots=True)
class Events:
    """A streamed answer, each of `data` one server-sent event.

    Then the answer ends as it should, or the connection is cut, or nothing more is sent until the
    client hangs up.
    """

    data: tuple[str, ...]
    then: Literal["end", "cut", "stall"] = "end"


Scripted: TypeAlias = HttpReply | Stall | Trickle | Events


class ChatServer:
    """Plays `script`, one entry for each request, and repeats the last entry when it is over.

    Use it as an async context manager; `base_url` is then valid. `requests` holds the JSON bodies
    received, `headers` their headers, `connections` counts the sockets that were opened, and
    `hung_up` is set when a client leaves an unfinished one.
    """

    def __init__(self, script: Iterable[Scripted]) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        self.hung_up = asyncio.Event()
        self.asked = asyncio.Event()
        self._script = list(script)
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        for writer in self._serving.values():
            writer.close()
        await asyncio.gather(*self._serving)
        await self._server.wait_closed()

    @property
    def base_url(self) -> str:
        """The root of the API, as a client of OpenAI's dialect is given it."""
        return f"{self.root_url}/v1"

    @property
    def root_url(self) -> str:
        """The root of the server, as clients of Anthropic and Google are given it."""
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving[task] = writer
        task.add_done_callback(self._serving.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._receive(reader):
                match self._script[min(len(self.requests), len(self._script)) - 1]:
                    case HttpReply() as reply:
                        writer.write(_encoded(reply))
                        await writer.drain()
                    case Stall():
                        await reader.read()
                        self.hung_up.set()
                        return
                    case Trickle():
                        await _trickle(reader, writer)
                        self.hung_up.set()
                        return
                    case Events() as events:
                        await _send(events, writer)
                        if events.then == "stall":
                            await reader.read()
                            self.hung_up.set()
                        if events.then != "end":
                            return
        finally:
            writer.close()

    async def _receive(self, reader: asyncio.StreamReader) -> bool:
        """Read one request; False when the client has closed the connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        lines = head.strip().split("\r\n")[1:]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.headers.append(headers)
        self.requests.append(json.loads(body or b"{}"))
        self.asked.set()
        return True


def completion(
    text: str | None = None,
    *,
    calls: Sequence[tuple[str, str]] = (),
    finish_reason: str | None = None,
    model: str = "gpt-4o-mini-2024-07-18",
) -> HttpReply:
    """A completion of 20 input and 10 output tokens; `calls` are tool names and argument texts.

    `finish_reason` is the right one for what is given; pass `"missing"` to leave it out.
    """
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {"id": f"id_{order}", "type": "function", "function": {"name": name, "arguments": args}}
            for order, (name, args) in enumerate(calls, start=1)
        ]
    choice: dict[str, Any] = {"index": 0, "message": message}
    if finish_reason != "missing":
        choice["finish_reason"] = finish_reason or ("tool_calls" if calls else "stop")
    usage = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
    body = {"id": "c", "object": "chat.completion", "created": 0, "model": model, "usage": usage}
    return HttpReply(200, json.dumps({**body, "choices": [choice]}).encode())


def chunk(
    delta: dict[str, Any] | None = None, *, finish_reason: str | None = None, **more: Any
) -> str:
    """One chunk of a streamed completion; `more` stands beside its choices."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish_reason}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "gpt-4o-mini"}
    return json.dumps({**body, "choices": [choice], **more})


def streamed(*deltas: dict[str, Any], finish_reason: str = "stop") -> Events:
    """A whole streamed completion, of 20 input and 10 output tokens, in pieces."""
    usage = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
    last = chunk(choices=[], usage=usage)
    pieces = [chunk(delta) for delta in deltas]
    return Events((*pieces, chunk(finish_reason=finish_reason), last, "[DONE]"))


def failure(
    status: int, message: str = "no", *, code: str = "", headers: dict[str, str] | None = None
) -> HttpReply:
    """An error in OpenAI's form."""
    error = {"message": message, "type": code or "error", "code": code or None}
    return HttpReply(status, json.dumps({"error": error}).encode(), headers or {})


async def _send(events: Events, writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 200 Scripted\r\ncontent-type: text/event-stream\r\n"
        b"transfer-encoding: chunked\r\n\r\n"
    )
    for data in events.data:
        event = f"data: {data}\n\n".encode()
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))
    if events.then == "end":
        writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 Scripted\r\ncontent-type: application/json\r\n\r\n")
    gone = asyncio.ensure_future(reader.read())
    while not gone.done():
        writer.write(b" ")
        await asyncio.wait([gone], timeout=0.01)


def _encoded(reply: HttpReply) -> bytes:
    headers = {
        "content-type": "application/json",
        "content-length": str(len(reply.body)),
        **reply.headers,
    }
    lines = [f"HTTP/1.1 {reply.status} Scripted", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + reply.body
