"""Runs `opspawn` as a person does: in a folder of its own, watched while it runs."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

OPSPAWN = Path(sys.executable).with_name("opspawn")

#: A command that is aborted says where it was.
TELLS_WHERE = {"PYTHONFAULTHANDLER": "1"}

#: Seconds for a command to say or do what a test waits for, on a slow and busy machine.
WITHIN_S = 40.0


class Command:
    """A started command; `out` and `err` are what it has printed so far."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *arguments: str) -> None:
        self.process = subprocess.Popen(
            [OPSPAWN, *arguments],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), **TELLS_WHERE, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="surrogateescape",
            start_new_session=True,
        )
        self.out = ""
        self.err = ""
        self._said = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(name,), daemon=True)
            for name in ("out", "err")
        ]
        for reader in self._readers:
            reader.start()

    def wait_for(self, words: str) -> None:
        """Returns when the command has printed the words; fails when it ends or takes too long."""

        def told() -> bool:
            return words in self.out + self.err or self.process.poll() is not None

        with self._said:
            self._said.wait_for(told, WITHIN_S)
        assert words in self.out + self.err, f"never said {words!r}:\n{self.out}{self.err}"

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        """Waits for its end; returns the exit code. What takes too long is ended and says where it was."""
        try:
            code = self.process.wait(WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self._read_on()
            pytest.fail(f"did not end within {WITHIN_S:.0f} s:\n{self.out}{self.err}")
        self._read_on()
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.end()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def _read_on(self) -> None:
        for reader in self._readers:
            reader.join(WITHIN_S)

    def _read(self, name: str) -> None:
        stream = self.process.stdout if name == "out" else self.process.stderr
        assert stream is not None
        for line in stream:
            with self._said:
                setattr(self, name, getattr(self, name) + line)
                self._said.notify_all()
        with self._said:
            self._said.notify_all()


#: Starts `opspawn` with these arguments, and these changes to its environment.
Start = Callable[..., Command]


def output(start: Start, *arguments: str) -> str:
    """What a command prints when it succeeds."""
    command = start(*arguments)
    assert 0 == command.end(), command.err
    return command.out
