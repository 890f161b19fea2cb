"""Opens the doors of a process and serves them until it is told to stop."""

import asyncio
import contextlib
import os
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import structlog
import uvicorn
from fastapi import FastAPI

from opspawn.preconditions import StartError
from opspawn.settings import Settings, env_name

log = structlog.get_logger(__name__)

#: How long a door may take to finish the requests under way when it is stopped. Seconds.
CLOSE_GRACE_S: Final = 5.0


#: More open files than this are of no use, and programs that we start may look at each of them.
MAX_FILES: Final = 65_536


class EndedByItself(Exception):
    """A part that serves until it is told to stop has ended without; its error is the cause."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: this process stops by its `stop` event."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_rest(
    app: FastAPI,
    listening: socket.socket,
    stop: asyncio.Event,
    certificate: tuple[Path, Path] | None = None,
) -> None:
    """Answers HTTP until `stop` is set, with TLS if there is a certificate, with its key.

    Raises `EndedByItself`.
    """
    certfile, keyfile = certificate or (None, None)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        ws="none",  # no door speaks WebSocket, so none needs its library
        timeout_graceful_shutdown=int(CLOSE_GRACE_S),
        ssl_certfile=certfile,
        ssl_keyfile=keyfile,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await _serving("the REST door", serving, stop)
    finally:
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)


async def serve_rpc(server: grpc.aio.Server, stop: asyncio.Event) -> None:
    """Answers gRPC until `stop` is set. Raises `EndedByItself`."""
    await server.start()
    serving = asyncio.create_task(server.wait_for_termination())
    try:
        await _serving("the gRPC door", serving, stop)
    finally:
        await server.stop(CLOSE_GRACE_S)
        await asyncio.gather(serving, return_exceptions=True)


def raise_file_limit() -> None:
    """Lets this process open as many files as the system allows it: a stream is an open file.

    Many systems set the lower limit to 1024 for old programs, and leave the rest to those who ask.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def listen(settings: Settings, field: str) -> socket.socket:
    """A socket that listens on the port of the setting. Raises `StartError`."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    address = (settings.host, getattr(settings, field))
    try:
        listening = socket.create_server(address, family=family, backlog=2048)
    except OSError as error:
        raise _port_taken(settings, field, error) from None
    # Accepted sockets inherit it. Without it Nagle's algorithm holds the body of an answer, which is
    # written after its headers, until the client's delayed acknowledgement: 40 ms each.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _port_taken(settings: Settings, field: str, error: OSError) -> StartError:
    name = env_name(field)
    why = os.strerror(error.errno) if error.errno else str(error)
    return StartError(
        f"{name}: port {getattr(settings, field)} of {settings.host} cannot be used ({why}); "
        f"stop what listens there, or set {name} to a free port."
    )


def host_of(settings: Settings) -> str:
    """The host as it is written in an address."""
    return f"[{settings.host}]" if ":" in settings.host else settings.host


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group whose first error is told as it is, not as one of a group."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except ExceptionGroup as errors:
        for error in errors.exceptions[1:]:
            log.warning("something else failed as well", exc_info=error)
        first = errors.exceptions[0]
        raise first from first.__cause__


async def _serving(what: str, serving: "asyncio.Task[Any]", stop: asyncio.Event) -> None:
    """Returns when `stop` is set. Raises `EndedByItself` when what serves has ended before."""
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
    if serving.done() and not stop.is_set():
        raise ended_by_itself(what, serving)


def ended_by_itself(what: str, task: "asyncio.Task[Any]") -> EndedByItself:
    """The error that says so, already logged."""
    cause = None if task.cancelled() else task.exception()
    log.error("ended by itself", what=what, exc_info=cause)
    ended = EndedByItself(f"{what} ended by itself" + (f": {cause}" if cause else ""))
    ended.__cause__ = cause
    return ended
