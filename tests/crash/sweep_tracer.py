"""Strikes a process at one exact place of our own code: the n-th instruction, or line, that it executes.

Only the code of `ops_core`, `opspawn`, `agentkit` and of the trial's own program is counted: what the
libraries below do between two of our instructions is the business of the storms and of the proxy. Python 3.12
and later tell of single instructions (`sys.monitoring`); Python 3.11 traces them (`sys.settrace`).

A loop over a value passes the same instruction many times. As long as nothing leaves the process in between,
all of these are one point: who is killed at the second pass leaves behind what he left at the first. So a
point is an instruction at a *moment*, and a new moment begins with every write, to PostgreSQL or the ledger.
"""

import os
import signal
import sys
from asyncio.selector_events import _SelectorSocketTransport  # type: ignore[attr-defined]
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any, Final, Literal, Self

import sweep_program

import agentkit
import ops_core
import opspawn

Unit = Literal["instruction", "line"]

#: Where our code lies. The program of the trials stands for a handler that somebody writes.
OURS: Final = (
    *(f"{Path(str(package.__file__)).parent}{os.sep}" for package in (ops_core, opspawn, agentkit)),
    str(sweep_program.__file__),
)


def kill() -> None:
    """What a datacentre does: no handler runs, nothing is flushed."""
    os.kill(os.getpid(), signal.SIGKILL)


def freeze() -> None:
    """Stops this process where it is, until somebody lets it go on."""
    os.kill(os.getpid(), signal.SIGSTOP)


class Tracer:
    """Counts inside the block; when `at` is reached, calls `strike` once. `at=0` only counts."""

    def __init__(self, unit: Unit, at: int, strike: Callable[[], None]) -> None:
        self.count = 0
        self.moments = [1]
        """The first point of each moment."""

        self._unit = unit
        self._at = at
        self._strike = strike
        self._ours: dict[CodeType, bool] = {}
        self._passed: set[tuple[CodeType, int]] = set()
        """The places passed at this moment."""

    def new_moment(self) -> None:
        """Something leaves this process now."""
        self._passed.clear()
        if self.moments[-1] <= self.count:
            self.moments.append(self.count + 1)

    def __enter__(self) -> Self:
        self._watch_sockets()
        if sys.version_info >= (3, 12):
            self._monitor()
        else:
            sys.settrace(self._trace_call)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if sys.version_info >= (3, 12):
            sys.monitoring.free_tool_id(sys.monitoring.PROFILER_ID)
        else:
            sys.settrace(None)

    def _watch_sockets(self) -> None:
        """For the rest of this process: it is traced once and then it ends."""
        write = _SelectorSocketTransport.write

        def watched(transport: _SelectorSocketTransport, data: bytes) -> None:
            self.new_moment()
            write(transport, data)

        _SelectorSocketTransport.write = watched

    def _step(self, code: CodeType, place: int) -> None:
        if (code, place) in self._passed:
            return
        self._passed.add((code, place))
        self.count += 1
        if self.count == self._at:
            self._strike()

    def _is_ours(self, code: CodeType) -> bool:
        known = self._ours.get(code)
        if known is None:
            known = self._ours[code] = code.co_filename.startswith(OURS)
        return known

    # Python 3.11.

    def _trace_call(self, frame: FrameType, event: str, argument: object) -> Any:
        if not self._is_ours(frame.f_code):
            return None
        frame.f_trace_opcodes = self._unit == "instruction"
        frame.f_trace_lines = self._unit == "line"
        return self._trace

    def _trace(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "opcode":
            self._step(frame.f_code, frame.f_lasti)
        elif event == "line":
            self._step(frame.f_code, frame.f_lineno)
        return self._trace

    # Python 3.12 and later.

    if sys.version_info >= (3, 12):

        def _monitor(self) -> None:
            monitoring, tool = sys.monitoring, sys.monitoring.PROFILER_ID
            wanted = (
                monitoring.events.INSTRUCTION
                if self._unit == "instruction"
                else monitoring.events.LINE
            )

            def started(code: CodeType, offset: int) -> object:
                if self._is_ours(code):
                    monitoring.set_local_events(tool, code, wanted)
                return monitoring.DISABLE

            monitoring.use_tool_id(tool, "crash matrix")
            monitoring.register_callback(tool, wanted, self._step)
            monitoring.register_callback(tool, monitoring.events.PY_START, started)
            monitoring.set_events(tool, monitoring.events.PY_START)
