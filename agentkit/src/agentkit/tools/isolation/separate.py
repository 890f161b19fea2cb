"""The function in a fresh process of its own, which ends with everything that it started."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from agentkit.errors import FailedBeforeEffect, ToolFailed, UsageError
from agentkit.tools.isolation.port import RaisedElsewhere
from agentkit.tools.text import bounded

if TYPE_CHECKING:
    from agentkit.tools.tool import Tool

_SUPERVISOR = Path(__file__).with_name("supervisor.py")

_ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8"}
"""What a program needs to run. Ours is not passed on: it may hold any secret."""

_BYTES_PER_CHARACTER = 12
"""The longest that JSON makes of one: a pair of surrogates, each six ASCII signs."""

_FRAME_BYTES = 10_000
"""Beside the text: its frame, the note on a cut, the words of an error."""

_NOTE = 100
"""Characters, more than the note on a cut has."""

_LONGEST_COMPLAINT = 2_000
"""Bytes of what the process wrote to stdout and stderr that are kept to say why it ended."""

_END_S = 10.0
"""For the supervisor to end what there is; then it is ended itself."""


@dataclass(frozen=True, slots=True)
class Subprocess:
    """Runs a function that can be imported by its name; arguments and result travel as JSON.

    The process has `env` and hardly anything of ours in its environment, an empty folder as its
    working and home folder (deleted afterwards), nothing on stdin, and at most `max_memory_bytes`
    of address space if given. When the call ends, is cancelled or times out, or when we are killed,
    it is killed with all its descendants, detached ones too (on Linux; elsewhere its process group).

    This is no sandbox: the function may read, write and send whatever our user may, write its own
    result, and leave processes behind by killing the supervisor that would end them.
    """

    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    max_memory_bytes: int | None = None

    def check(self, tool: Tool) -> None:
        """Raises UsageError for a function that another process cannot find, or not be run in."""
        function = tool.function
        module = getattr(function, "__module__", None)
        qualname = getattr(function, "__qualname__", "<none>")
        if os.name != "posix":
            raise UsageError(f"Tool {tool.name}: isolation='subprocess' needs a POSIX system.")
        if tool.context_parameter is not None:
            raise UsageError(
                f"Tool {tool.name} takes a RunContext, which lives in this process: isolate what "
                "it calls in ctx.step(…) instead."
            )
        importable = module not in (None, "__main__") and "<" not in qualname
        if not importable or tool.is_method or hasattr(function, "__self__"):
            raise UsageError(
                f"Tool {tool.name}: isolation='subprocess' imports the function in another process; "
                "define it at the top of a module (not of the script that is run)."
            )

    async def run(self, tool: Tool, keywords: dict[str, Any]) -> str:
        """See `Isolation`. Raises RaisedElsewhere, FailedBeforeEffect and ToolFailed."""
        with TemporaryDirectory(prefix="agentkit-", ignore_cleanup_errors=True) as folder:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",  # nothing of our PYTHON… variables, nothing from the current folder
                str(_SUPERVISOR),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=folder,
                env=self._environment(folder),
                start_new_session=True,  # a Ctrl-C at our terminal is ours to handle
                limit=_FRAME_BYTES + _BYTES_PER_CHARACTER * tool.max_output,
            )
            try:
                return bounded(await _told(process, self._request(tool, keywords)), _most(tool))
            finally:
                await _ended(process)

    def _request(self, tool: Tool, keywords: dict[str, Any]) -> dict[str, Any]:
        return {
            "path": [str(Path(entry).absolute()) for entry in sys.path],  # "" is our own folder
            "module": tool.function.__module__,
            "qualname": tool.function.__qualname__,
            "keywords": to_jsonable_python(keywords),
            "max_output": tool.max_output,
            "max_memory_bytes": self.max_memory_bytes,
        }

    def _environment(self, folder: str) -> dict[str, str]:
        return {**_ENVIRONMENT, "HOME": folder, "TMPDIR": folder, **self.env}


async def _told(process: asyncio.subprocess.Process, request: dict[str, Any]) -> str:
    """Send the request and read what came of it."""
    assert process.stdin is not None, "it was asked for"
    assert process.stdout is not None, "it was asked for"
    complaint = asyncio.create_task(_end_of(process.stderr))
    try:
        with suppress(ConnectionError):  # it has ended already; the reason is read below
            process.stdin.write(json.dumps(request).encode() + b"\n")
            await process.stdin.drain()
        line = await process.stdout.readline()
        if line.endswith(b"\n"):
            return _result(json.loads(line))
        code = await process.wait()
        said = (await complaint).decode(errors="replace").strip()
        how = f"by signal {code - 128}" if code > 128 else f"with code {code}"
        raise RaisedElsewhere(f"its process ended {how}" + (f": {said}" if said else ""))
    except ValueError as error:
        raise RaisedElsewhere("its process sent no result that can be read") from error
    finally:
        complaint.cancel()


def _most(tool: Tool) -> int:
    """What a result may have here, where it has been cut already if the function plays fair."""
    return tool.max_output + _NOTE


def _result(reply: object) -> str:
    match reply:
        case {"text": str(text)}:
            return text
        case {"no_effect": str(text)}:
            raise FailedBeforeEffect(text)
        case {"failed": str(text)}:
            raise ToolFailed(text)
        case {"raised": str(text)}:
            raise RaisedElsewhere(text)
    raise ValueError("no reply of a tool's process")


async def _end_of(stream: asyncio.StreamReader | None) -> bytes:
    """The last of what is written, for as long as anything is: a full pipe would stop the writer."""
    kept = b""
    while stream is not None and (chunk := await stream.read(65_536)):
        kept = (kept + chunk)[-_LONGEST_COMPLAINT:]
    return kept


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Have the process ended with everything below it."""
    assert process.stdin is not None, "it was asked for"
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
    # Its end is the supervisor's other sign to stop; what was not sent yet is not sent any more.
    if not process.stdin.transport.is_closing():
        process.stdin.transport.abort()
    try:
        async with asyncio.timeout(_END_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
