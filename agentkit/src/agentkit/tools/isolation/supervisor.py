"""The process between us and a tool's function: it outlives the function, and ends all that is left.

Run as a script, with nothing but the standard library, so that it starts fast. Orphans below it
become its children (Linux), so that a function cannot leave a process behind by detaching it. It
ends when the function's process does, on SIGTERM, or when its stdin is closed: by our death too.
"""

import ctypes
import json
import os
import select
import signal
import sys
from pathlib import Path

_SET_PARENT_DEATH_SIGNAL = 1
_SET_CHILD_SUBREAPER = 36
"""Of prctl(2)."""


def main() -> int:
    """The exit code of the function's process, 128 and more when a signal ended it."""
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        return 1
    woken = _wake_on_signals()
    _prctl(_SET_CHILD_SUBREAPER, 1)
    results = os.dup(1)
    os.dup2(2, 1)
    worker = os.fork()
    if not worker:
        _work(json.loads(line), results)
    os.close(results)
    code = _wait(worker, woken)
    _end_all(worker)
    return code


def _work(request: dict[str, object], results: int) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    code = 1
    try:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # its last words
        sys.path[:] = request["path"]  # type: ignore[call-overload]
        # Only now can it be found.
        from agentkit.tools.isolation.child import serve

        serve(request, results)
        code = 0
    finally:
        # Not sys.exit: a thread that the function left behind would be waited for.
        sys.stderr.flush()
        os._exit(code)


def _wake_on_signals() -> int:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return reader


def _wait(worker: int, woken: int) -> int:
    """Wait until the worker has ended or is to be ended."""
    while True:
        readable, _, _ = select.select([0, woken], [], [])
        if woken in readable:
            signals = os.read(woken, 64)
            ended = _reaped()
            if worker in ended:
                code = os.waitstatus_to_exitcode(ended[worker])
                return code if code >= 0 else 128 - code
            if signal.SIGTERM in signals:
                return 128 + signal.SIGTERM
        if 0 in readable:  # nothing more is ever written: it is closed
            return 128 + signal.SIGTERM


def _reaped() -> dict[int, int]:
    """Collect what has ended, orphans that became ours included."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if not pid:
            return ended
        ended[pid] = status


def _end_all(worker: int) -> None:
    """Kill until nothing is left: what is killed may just have started another."""
    if not Path("/proc/self/stat").exists():
        _kill(-worker)
        return
    while below := _descendants():
        for pid in below:
            _kill(pid)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
        _reaped()


def _descendants() -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text(errors="replace")
            except OSError:  # it has ended meanwhile
                continue
            # The name in parentheses may itself hold any sign: what counts follows the last one.
            parent = int(stat.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found = list(children.get(os.getpid(), []))
    for pid in found:
        found += children.get(pid, [])
    return found


def _kill(pid: int) -> None:
    try:
        if pid < 0:
            os.killpg(-pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _prctl(option: int, value: int) -> None:
    # Elsewhere than on Linux there is none, and what it would do is not promised.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main())
