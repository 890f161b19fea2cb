"""The flood: it sends every request once, waits for each answer, and hides no refusal."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from benchmarks import flood as flooding
from benchmarks.flood import Refused, flood, request

OK = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
INVALID = b"HTTP/1.1 422 Unprocessable Entity\r\nContent-Length: 3\r\n\r\nwhy"


@asynccontextmanager
async def server(answer: Callable[[int], list[bytes]]) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Gives its port and what it was asked; `answer` has the pieces for the nth request."""
    asked: list[bytes] = []
    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionError):  # the client has gone
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
                asked.append(head + await reader.readexactly(length))
                for piece in answer(len(asked)):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)  # lets the other side read a piece alone
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1], asked
        await asyncio.gather(*(task for task in serving if task))


async def test_each_request_is_sent_once_over_all_connections() -> None:
    """However many connections share them."""
    requests = [request("/tasks", {"number": number}) for number in range(7)]
    async with server(lambda _: [OK]) as (port, asked):
        measured = await flood(port, requests, 3)
    assert sorted(requests) == sorted(asked)
    assert 7 == len(measured.took_s)


async def test_an_answer_in_pieces_is_waited_for() -> None:
    """The next request must not go before the last byte has come."""
    async with server(lambda _: [OK[:9], OK[9:-1], OK[-1:]]) as (port, asked):
        await flood(port, [request("/tasks")] * 2, 1)
    assert 2 == len(asked)


async def test_a_503_is_sent_again_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal that is only counted would make a slow system look quick."""
    monkeypatch.setattr(flooding, "AGAIN_S", 0)
    async with server(lambda n: [UNAVAILABLE] if n == 1 else [OK]) as (port, asked):
        measured = await flood(port, [request("/tasks")], 1)
    assert (1, 1, 2) == (measured.sent_again, len(measured.took_s), len(asked))


async def test_any_other_refusal_ends_the_run_with_its_answer() -> None:
    """Requests that did nothing are quick, and their rate would be worthless."""
    async with server(lambda _: [INVALID]) as (port, _):
        with pytest.raises(Refused, match="why"):
            await flood(port, [request("/tasks")], 1)


def test_a_request_says_how_long_its_body_is() -> None:
    """Else the server would wait for the rest, or read too much."""
    sent = request("/tasks", {"name": "n"}, ["Idempotency-Key: k"])
    head, _, body = sent.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert head.startswith(b"POST /tasks HTTP/1.1\r\n")
    assert b"Idempotency-Key: k" in head
