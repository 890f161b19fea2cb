"""The outside ledger: what clients were told and which effects happened, in a file beside the database.

One `write` a fact to a file opened for appending: it is there, whole and in order, whatever is killed a
moment later. Not flushed to the disk, because processes die here and the machine does not.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

Fact = dict[str, Any]


class Ledger:
    """Shared by a process and everything it forks."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._read = 0
        self.on_write: Callable[[], None] = lambda: None

    def write(self, **fact: Any) -> None:
        self.on_write()
        os.write(self._file, json.dumps(fact).encode() + b"\n")

    def take(self) -> list[Fact]:
        """The facts since the last call, in the order in which they happened."""
        found = bytearray()
        while part := os.pread(self._file, 1 << 16, self._read):
            found += part
            self._read += len(part)
        return [json.loads(line) for line in found.splitlines()]

    def close(self) -> None:
        os.close(self._file)
