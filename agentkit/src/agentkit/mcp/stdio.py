"""A server that is a process of ours: messages are lines on its standard input and output.

The SDK has such a transport. This one bounds what a line may be, so that a server which writes
without end cannot fill our memory, and keeps the end of standard error for the operator to read.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from agentkit.errors import McpError
from agentkit.mcp.remarks import Remarks
from agentkit.mcp.server import McpServer

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

GRACE_S = 1.0
"""How long a process may take to end by itself once its input is closed, and again once told to."""

_MOST_JUNK = 1_000
"""Lines that are no message: a few are a server's greeting, so many are no server."""


@asynccontextmanager
async def stdio(server: McpServer, remarks: Remarks, lost: asyncio.Event) -> AsyncIterator[Any]:
    """The two streams that the SDK's client wants; `lost` is set when the process says no more.

    Raises McpError when it cannot be started. Its whole process group is gone at the end.
    """
    # Imported here, as everywhere in this package: only who uses MCP needs the SDK.
    import anyio

    # Cancelled half-way, it would leave a process that nobody waits for.
    with anyio.CancelScope(shield=True):
        process = await _started(server)
    to_session, incoming = anyio.create_memory_object_stream[Any](0)
    outgoing, from_session = anyio.create_memory_object_stream[Any](0)
    # Not tasks of a group: what is cancelled must still be read to its end, or it stays open.
    reading = [
        asyncio.create_task(_read(process, to_session, remarks, lost)),
        asyncio.create_task(_listen(process, remarks)),
    ]
    writing = asyncio.create_task(_write(process, from_session, lost))
    try:
        yield incoming, outgoing
    finally:
        try:
            with anyio.CancelScope(shield=True):
                await _ended(process)
                await asyncio.wait(reading, timeout=GRACE_S)
        finally:
            # Also when a cancellation of the event loop's own has broken through the shield.
            _kill(process, signal.SIGKILL)
            for task in (*reading, writing):
                task.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.gather(*reading, writing, return_exceptions=True)
            for stream in (to_session, incoming, outgoing, from_session):
                stream.close()


async def _started(server: McpServer) -> Process:
    from mcp.client.stdio import get_default_environment

    try:
        return await asyncio.create_subprocess_exec(
            server.command or "",
            *server.args,
            env={**get_default_environment(), **server.env},
            cwd=server.cwd,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            limit=server.max_message_bytes,
            # A group of its own: it can be ended with its children, and Ctrl-C is not sent to it.
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise McpError(f"{server.name} cannot be started: {why}", before_effect=True) from None


async def _read(
    process: Process,
    to_session: MemoryObjectSendStream[Any],
    remarks: Remarks,
    lost: asyncio.Event,
) -> None:
    """Lines become messages, until the process closes its output or says too much."""
    import anyio

    assert process.stdout is not None
    junk = 0
    try:
        async with to_session:
            try:
                while (line := await process.stdout.readline()) and junk < _MOST_JUNK:
                    message = _message(line)
                    if message is None:
                        junk += 1
                    else:
                        await to_session.send(message)
            finally:
                lost.set()  # before the session learns of the end, and tells who waits
        if line:
            _cut_off(process, remarks, "it writes what is no MCP message")
    except ValueError:  # how a stream reader says that its limit is reached
        _cut_off(process, remarks, "a message was longer than max_message_bytes")
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass  # the session has gone first
    # An output that nobody reads would be kept open, and the process with it.
    while await process.stdout.read(65_536):
        pass


def _cut_off(process: Process, remarks: Remarks, why: str) -> None:
    remarks.add(f"\n[disconnected: {why}]")
    _kill(process, signal.SIGKILL)


def _message(line: bytes) -> Any:
    """The line as the SDK's message, None when it is none."""
    from mcp.shared.message import SessionMessage
    from mcp_types import jsonrpc_message_adapter

    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError:
        return None


async def _write(
    process: Process, from_session: MemoryObjectReceiveStream[Any], lost: asyncio.Event
) -> None:
    assert process.stdin is not None
    async with from_session:
        try:
            async for message in from_session:
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(text.encode() + b"\n")
                await process.stdin.drain()
        except ConnectionError:
            lost.set()


async def _listen(process: Process, remarks: Remarks) -> None:
    assert process.stderr is not None
    while chunk := await process.stderr.read(4_096):
        remarks.add(chunk.decode(errors="replace"))


async def _ended(process: Process) -> None:
    """Close its input, as the protocol says; then tell it to end; then end it."""
    assert process.stdin is not None
    process.stdin.close()
    for force in (signal.SIGTERM, signal.SIGKILL):
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), GRACE_S)
            break
        _kill(process, force)
    # What it has started and left behind.
    _kill(process, signal.SIGKILL)
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), GRACE_S)


def _kill(process: Process, force: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, force)
