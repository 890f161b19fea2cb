"""Several lanes beside each other: each a forked process with a database of its own, doing its share."""

import json
import os
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from sweep_trials import Lane, Tally

T = TypeVar("T")

#: As many as there are processors to keep busy; PostgreSQL wants some of that as well.
LANES: Final = 2

Work = Callable[[Lane, int], list[Tally]]


def in_lanes(urls: Sequence[str], folder: Path, work: Work) -> list[Tally]:
    """Does `work(lane, number)` in a process for each of the databases, and adds up what they bring."""
    lanes = {
        os.fork() or _lane(number, url, folder, work): number for number, url in enumerate(urls)
    }
    ended = [os.WEXITSTATUS(os.waitpid(pid, 0)[1]) for pid in lanes]
    output = "\n".join(_output(folder, number).read_text() for number in lanes.values())
    if any(ended):
        raise AssertionError(f"a lane failed:\n{output}")
    sums: dict[str, Tally] = {}
    for number in lanes.values():
        for found in json.loads(_found(folder, number).read_text()):
            found["ends"] = Counter(found["ends"])
            _add(sums.setdefault(found["kind"], Tally(found["kind"])), Tally(**found))
    return list(sums.values())


def share(items: Sequence[T], number: int) -> Sequence[T]:
    """What lane `number` takes of the items."""
    return items[number::LANES]


def _add(total: Tally, part: Tally) -> None:
    total.points = max(total.points, part.points)
    total.faults += part.faults
    total.seconds = max(total.seconds, part.seconds)
    total.ends += part.ends
    total.violations += part.violations


def _lane(number: int, url: str, folder: Path, work: Work) -> NoReturn:
    """The life of a lane's process."""
    code = 1
    try:
        with _output(folder, number).open("w") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        # Not pytest's, which are its own process's.
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        lane = Lane(f"lane{number}", url, folder)
        found = work(lane, number)
        _found(folder, number).write_text(json.dumps([vars(tally) for tally in found]))
        code = 0
    except BaseException:  # noqa: BLE001  # it would go on as a second pytest
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _output(folder: Path, number: int) -> Path:
    return folder / f"lane{number}.output"


def _found(folder: Path, number: int) -> Path:
    return folder / f"lane{number}.json"
