"""While something is measured, others on the machine that know of it may be kept waiting."""

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

Window = Callable[[], AbstractContextManager[None]]
"""What is measured is measured inside; between two of them others may work."""


@contextmanager
def holding(files: Sequence[Path]) -> Iterator[None]:
    """Holds the lock of each of these files, as `flock FILE` does, taken in their order."""
    with ExitStack() as held:
        for path in files:
            fcntl.flock(held.enter_context(path.open("a")), fcntl.LOCK_EX)
        yield
