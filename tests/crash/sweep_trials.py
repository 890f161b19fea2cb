"""Trials: fork a process that acts, strike it at one place, heal, check. A lane runs them one after another.

Nothing is started for a trial but a fork: the lane has imported everything and its pool is open. The forked
process makes its own connection before it is traced.
"""

import asyncio
import ctypes
import gc
import logging
import math
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from sweep_acts import Act
from sweep_checker import violations
from sweep_ledger import Ledger
from sweep_program import START, open_gate
from sweep_scenarios import Broken, Scenario
from sweep_site import Site, Trial
from sweep_tracer import Tracer, Unit, freeze, kill

from ops_core.errors import CallerError, StoreUnavailable
from ops_core.task import Task

T = TypeVar("T")

#: Linux: the signal that this process gets when its parent has died. From <linux/prctl.h>.
PR_SET_PDEATHSIG: Final = 1

#: An acting process that is still there after this time hangs. Seconds.
PATIENCE_S: Final = 30.0


@dataclass(frozen=True)
class Strike:
    """What is done to the acting process, and where its execution is then."""

    kind: str
    unit: Unit
    fire: Callable[[], None]
    half_way: bool = False
    """For a frozen process: it goes on while the next owner is inside its first effect, not after its end."""


KILL: Final = Strike("kill -9", "instruction", kill)
FREEZE: Final = Strike("zombie", "line", freeze)
FREEZE_HALF_WAY: Final = Strike("zombie, half-way", "line", freeze, half_way=True)


@dataclass(frozen=True)
class Points:
    """The places of an act: 1 to `count`, in the order in which they are passed."""

    count: int
    moments: Sequence[int]
    """The first place of each moment: those of one moment leave the same behind."""

    def sample(self, chance: random.Random, at_most: int) -> list[int]:
        """Some of the places; all when there are no more."""
        return chance.sample(range(1, self.count + 1), min(at_most, self.count))

    def every_moment(self, chance: random.Random) -> list[int]:
        """The first and the last place of every moment and one between."""
        ends = [*self.moments[1:], self.count + 1]
        found: set[int] = set()
        for first, end in zip(self.moments, ends, strict=True):
            found |= {first, end - 1, chance.randrange(first, end)} if first < end else set()
        return chance.sample(sorted(found), len(found))


@dataclass
class Tally:
    """What became of the trials of one kind."""

    kind: str
    points: int = 0
    faults: int = 0
    seconds: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, part: "Tally") -> None:
        """What another lane did at the same time."""
        self.points = max(self.points, part.points)
        self.faults += part.faults
        self.seconds = max(self.seconds, part.seconds)
        self.ends += part.ends
        self.violations += part.violations


class Unharmed(Exception):
    """An act does not even work when nothing is done to it."""


class Lane:
    """Runs trials in one database; use it in a process that has no event loop and no threads."""

    def __init__(self, name: str, url: str, folder: Path) -> None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        self._name = name
        self._runner = asyncio.Runner()
        self.site = Site(url, Ledger(folder / f"{name}.ledger"))
        self._trials = 0
        gc.collect()
        gc.freeze()  # what is there now is never looked at again, so that a fork copies less

    def run(self, work: Awaitable[T]) -> T:
        async def here() -> T:
            return await work

        return self._runner.run(here())

    def close(self) -> None:
        self.run(self.site.close())
        self._runner.close()
        self.site.ledger.close()

    def empty(self) -> None:
        """Nothing of what was there is left."""
        self.run(self.site.empty())

    def points(self, act: Act, strike: Strike) -> Points:
        """Where the act can be struck. Raises `Unharmed`."""
        trial = self.new_trial()
        found = self._trial(act, strike, 0, trial)
        counted = [fact for fact in trial.facts if "points" in fact]
        if found or len(counted) != 1:
            raise Unharmed(f"{act.name}, unharmed: {found or 'it did not finish'}")
        return Points(counted[0]["points"], counted[0]["moments"])

    def sweep(
        self,
        act: Act,
        strike: Strike,
        at: Iterable[int],
        tally: Tally,
        *,
        fail_fast: bool = False,
        until: float = math.inf,
    ) -> Tally:
        """Strikes at each of the places, until one is enough or the time (of `time.monotonic`) is up."""
        started = time.monotonic()
        for point in at:
            trial = self.new_trial()
            found = self._trial(act, strike, point, trial)
            tally.faults += trial.struck
            tally.ends.update(_end(task) for task in trial.tasks)
            tally.violations += [f"{act.name}, {strike.kind} at {point}: {what}" for what in found]
            if (found and fail_fast) or time.monotonic() > until:
                break
        tally.seconds += time.monotonic() - started
        sys.stderr.write(f"{strike.kind}: {tally.kind}: {tally.faults} in {tally.seconds:.0f} s\n")
        return tally

    def encounter(self, scenario: Scenario) -> str | None:
        """What the scenario says that is broken."""
        trial = self.new_trial()
        try:
            self.run(scenario(self.site, trial))
        except Broken as error:
            return str(error)
        # A promise is also broken by an error that nobody foresaw.
        except Exception as error:  # noqa: BLE001
            return repr(error)
        return None

    def new_trial(self) -> Trial:
        self._trials += 1
        return Trial(f"{self._name}-{self._trials}", is_odd=self._trials % 2 == 1)

    def _trial(self, act: Act, strike: Strike, point: int, trial: Trial) -> list[str]:
        site = self.site
        self.run(act.prepare(site, trial))
        pid = os.fork()
        if pid == 0:
            _act(site, act, strike, point, trial)
        try:
            status = os.waitpid(pid, os.WUNTRACED)[1]
            trial.struck = os.WIFSTOPPED(status) or os.WIFSIGNALED(status)
            self.run(self._aftermath(act, strike, trial, pid if os.WIFSTOPPED(status) else None))
        # Whatever recovery raises, production would have met it too.
        except Exception as error:  # noqa: BLE001
            _make_sure(pid)
            return [f"recovery raised {error!r}"]
        trial.facts += site.ledger.take()
        return violations(act, trial)

    async def _aftermath(self, act: Act, strike: Strike, trial: Trial, frozen: int | None) -> None:
        site = self.site
        # Of a process that died between its commit and its answer, the client only knows its id.
        trial.task_id = trial.task_id or _told_id(trial)
        await act.after(site, trial)
        if frozen is None:
            rested = await site.settle_down(trial)
        else:
            rested = await self._heal_beside(strike, trial, frozen)
        if not rested:
            site.ledger.write(tenant=trial.name, broken="it never came to rest")
        await site.read(trial)

    async def _heal_beside(self, strike: Strike, trial: Trial, frozen: int) -> bool:
        """Heals while one process is frozen, lets it go on as a zombie, and heals again."""
        site, thawed = self.site, False

        async def thaw(path: str = "", task: Task | None = None) -> None:
            nonlocal thawed
            # Before the next owner replays, or inside its first effect.
            if not thawed and (path != START or trial.is_odd):
                thawed = True
                os.kill(frozen, signal.SIGCONT)
                await _ended(frozen)

        await site.heal(trial, thaw if strike.half_way else open_gate)
        await thaw()
        return await site.settle_down(trial)


def _told_id(trial: Trial) -> str:
    return next((fact["task_id"] for fact in trial.facts if "task_id" in fact), "")


def _act(site: Site, act: Act, strike: Strike, point: int, trial: Trial) -> None:
    """The life of the acting process. Never returns."""
    code = 0
    try:
        die_with_parent()
        site.forked(will_freeze=strike.fire is freeze and point > 0)
        with asyncio.Runner() as runner:
            runner.run(_traced(site, act, strike, point, trial))
            os._exit(0)  # nothing is tidied up: a process that is struck does not do so either
    except (StoreUnavailable, CallerError):
        pass  # its client is told that it did not happen, or to ask again later
    except BaseException as error:  # noqa: BLE001  # it would go on as a second lane
        code = 1
        traceback.print_exc(file=sys.stderr)
        site.ledger.write(tenant=trial.name, broken=f"the acting process raised {error!r}")
    finally:
        os._exit(code)


def die_with_parent() -> None:
    """A process that is frozen, or that strikes on, does not outlive the one that forked it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


async def _traced(site: Site, act: Act, strike: Strike, point: int, trial: Trial) -> None:
    await site.connect()
    with Tracer(strike.unit, point, strike.fire) as tracer:
        site.ledger.on_write = tracer.new_moment
        await act.act(site, trial)
    site.ledger.write(tenant=trial.name, points=tracer.count, moments=tracer.moments)


async def _ended(pid: int) -> None:
    """Waits for a process, which may wait for what this one does meanwhile."""
    patience = time.monotonic() + PATIENCE_S
    while os.waitpid(pid, os.WNOHANG) == (0, 0):  # noqa: ASYNC222  # with WNOHANG it does not wait
        if time.monotonic() > patience:
            raise TimeoutError("the thawed process hangs")
        await asyncio.sleep(0.002)


def _make_sure(pid: int) -> None:
    """A process that may still be there is ended."""
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return


def _end(task: dict[str, Any]) -> str:
    error = task["error"]["type"] if task["error"] else None
    return " ".join(str(part) for part in (task["status"], task["reason"], error) if part)
