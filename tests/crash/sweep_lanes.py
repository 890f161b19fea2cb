"""Work done in forked processes: lanes beside each other, and mutants that must not infect anybody."""

import json
import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from sweep_trials import Lane, Tally, die_with_parent

#: As many as there are processors to keep busy; PostgreSQL wants some of that as well.
LANES: Final = 2

T = TypeVar("T")


class Forked:
    """Does work in a forked process; what it returns (JSON) comes back by a file of its own."""

    def __init__(self, name: str, folder: Path, work: Callable[[], Any]) -> None:
        self._output = folder / f"{name}.output"
        self._answer = folder / f"{name}.json"
        self._answer.unlink(missing_ok=True)
        self._pid = os.fork() or self._live(work)
        self._is_running = True

    def result(self) -> Any:
        """Waits for it. Raises `AssertionError` with what it printed when it failed."""
        os.waitpid(self._pid, 0)
        self._is_running = False
        if not self._answer.exists():
            raise AssertionError(f"a forked process failed:\n{self._output.read_text()}")
        return json.loads(self._answer.read_text())

    def end(self) -> None:
        """Nothing of it is left."""
        if self._is_running:
            self._is_running = False
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)

    def _live(self, work: Callable[[], Any]) -> NoReturn:
        try:
            die_with_parent()
            with self._output.open("w") as output:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
            # Not pytest's, which are its own process's.
            sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
            answer = json.dumps(work())
            self._answer.write_text(answer)
        except BaseException:  # noqa: BLE001  # it would go on as a second pytest
            traceback.print_exc()
        finally:
            os._exit(0)


def results(running: Sequence[Forked]) -> list[Any]:
    """What each of them returns; when one fails, the others are ended."""
    try:
        return [forked.result() for forked in running]
    finally:
        for forked in running:
            forked.end()


def in_lanes(
    urls: Sequence[str], folder: Path, work: Callable[[Lane, int], list[Tally]]
) -> list[Tally]:
    """Does `work(lane, number)` in a process for each of the databases, and adds up what they bring."""

    def live(number: int, url: str) -> list[dict[str, Any]]:
        return [vars(tally) for tally in work(Lane(f"lane{number}", url, folder), number)]

    lanes = [
        Forked(f"lane{number}", folder, partial(live, number, url))
        for number, url in enumerate(urls)
    ]
    sums: dict[str, Tally] = {}
    for part in [part for parts in results(lanes) for part in parts]:
        part["ends"] = Counter(part["ends"])
        sums.setdefault(part["kind"], Tally(part["kind"])).add(Tally(**part))
    return list(sums.values())


def share(items: Sequence[T], number: int) -> Sequence[T]:
    """What lane `number` takes of the items."""
    return items[number::LANES]
