"""A TCP proxy in front of PostgreSQL that swallows the reply of a COMMIT: the client sees a broken
connection, and what it asked for has happened.

    with SwallowingProxy(server.url) as proxy:
        proxy.swallow("INSERT INTO task")
        …  # the next transaction with such a statement, through proxy.url

It reads the client's side of PostgreSQL's protocol (version 3, without TLS) far enough to know which
statement is executed and where a transaction ends.
"""

import asyncio
import random
import re
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Self, TypeVar

from sqlalchemy import make_url

T = TypeVar("T")

#: The longest startup message that is taken for one (PostgreSQL's own limit). Bytes.
_STARTUP = 10_000

#: The server's message that it is ready, outside any transaction: what it was asked for is done.
_READY = b"Z\x00\x00\x00\x05I"


class SwallowingProxy:
    """Listens on a free port of 127.0.0.1. All attributes may be used from the test's thread."""

    def __init__(self, url: str, *, seed: int = 0) -> None:
        target = make_url(url)
        assert target.host is not None
        assert target.port is not None
        self._target = (target.host, target.port)
        self._url = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._open: set[_Connection] = set()
        self._wanted: list[re.Pattern[str]] = []
        self.cuts = True
        """Whether a connection whose reply was swallowed is cut; if not, it stays open and says nothing."""

        self.chance = random.Random(seed)
        self.share = 0.0
        """Of all commits, the share whose reply is swallowed."""

        self.swallowed = 0
        """How many replies were."""

    @property
    def url(self) -> str:
        """The way through the proxy."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return self._url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._serve, "127.0.0.1", 0))
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def swallow(self, pattern: str) -> None:
        """The reply to the next commit of a statement that the pattern is found in never arrives."""
        self._wanted.append(re.compile(pattern, re.DOTALL))

    def go_silent(self) -> None:
        """From now on nothing passes on any connection that is open, and none is closed: half-open, as after
        the death of a host, or with a firewall that has forgotten them. New connections are served."""
        for connection in list(self._open):
            connection.silent = True

    def wants(self, statements: list[str]) -> bool:
        """Whether the commit of these statements is one whose reply goes missing."""
        for pattern in self._wanted:
            if any(pattern.search(statement) for statement in statements):
                self._wanted.remove(pattern)
                return True
        return self.chance.random() < self.share

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server = await asyncio.open_connection(*self._target)
        except OSError:  # what a client of a server that is down sees
            writer.close()
            return
        connection = _Connection(self, (reader, writer), server)
        self._open.add(connection)
        try:
            await connection.run()
        finally:
            self._open.discard(connection)

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self._open):
            connection.cut()
        while self._open:
            await asyncio.sleep(0.01)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)


class _Connection:
    """One client's connection and ours to the server."""

    def __init__(
        self,
        proxy: SwallowingProxy,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._prepared: dict[str, str] = {}
        self._transaction: list[str] | None = None
        self._swallowing = False
        self._ended = asyncio.Event()
        self.silent = False

    async def run(self) -> None:
        """Returns when either side has ended."""
        sides = [asyncio.create_task(self._forth()), asyncio.create_task(self._back())]
        ended = asyncio.create_task(self._ended.wait())
        await asyncio.wait([*sides, ended], return_when=asyncio.FIRST_COMPLETED)
        for task in (*sides, ended):
            task.cancel()
        await asyncio.gather(*sides, ended, return_exceptions=True)
        self.cut()

    def cut(self) -> None:
        for _, writer in (self._client, self._server):
            with suppress(OSError, RuntimeError):
                writer.transport.abort()
        self._ended.set()

    async def _forth(self) -> None:
        """What the client says, read and passed on message by message."""
        reader, writer = self._client[0], self._server[1]
        with suppress(OSError, asyncio.IncompleteReadError):
            await self._startup(reader, writer)
            while True:
                kind = await reader.readexactly(1)
                size = await reader.readexactly(4)
                body = await reader.readexactly(int.from_bytes(size) - 4)
                self._look(kind, body)
                if not self.silent:
                    writer.write(kind + size + body)
                    await writer.drain()

    async def _startup(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes on the startup message, which has no kind; says no to TLS, so that the rest can be read."""
        while True:
            size = await reader.readexactly(4)
            length = int.from_bytes(size)
            assert length <= _STARTUP, "this is no client of PostgreSQL"
            body = await reader.readexactly(length - 4)
            if int.from_bytes(body[:4]) in {80877103, 80877104}:  # SSLRequest, GSSENCRequest
                self._client[1].write(b"N")
                continue
            writer.write(size + body)
            return

    async def _back(self) -> None:
        """What the server says. A reply that is swallowed proves that the server has done its part."""
        reader, writer = self._server[0], self._client[1]
        last = b""
        with suppress(OSError):
            while data := await reader.read(65_536):
                last = (last + data)[-len(_READY) :]
                if self._swallowing and last == _READY:
                    self._proxy.swallowed += 1
                    if self._proxy.cuts:
                        return
                    self.silent = True
                if not (self.silent or self._swallowing):
                    writer.write(data)
                    await writer.drain()
        if self.silent:
            await asyncio.Event().wait()  # the client does not hear of the end either

    def _look(self, kind: bytes, body: bytes) -> None:
        match kind:
            case b"Q":
                self._executes(_text(body))
            case b"P":
                name, statement = body.split(b"\0", 2)[:2]
                self._prepared[name.decode()] = statement.decode()
            case b"B":
                self._executes(self._prepared.get(body.split(b"\0", 2)[1].decode(), ""))

    def _executes(self, statement: str) -> None:
        command = statement.strip().upper()
        if command.startswith("BEGIN"):
            self._transaction = []
        elif command.startswith("COMMIT"):
            self._swallowing |= self._proxy.wants(self._transaction or [])
            self._transaction = None
        elif command.startswith("ROLLBACK"):
            self._transaction = None
        elif self._transaction is not None:
            self._transaction.append(statement)
        else:
            self._swallowing |= self._proxy.wants([statement])


def _text(body: bytes) -> str:
    return body.rstrip(b"\0").decode(errors="replace")
