"""How long a run still takes, by what its parts take elsewhere and by how this machine has done so far."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Countdown:
    """`expected_s`: of each part, in their order."""

    expected_s: Sequence[float]
    clock: Callable[[], float] = time.monotonic
    took_s: list[float] = field(default_factory=list)
    _began: float | None = None

    def begin(self) -> None:
        """The next part."""
        self._began = self.clock()

    def end(self) -> None:
        self.took_s.append(self._passed_s())
        self._began = None

    def left_s(self) -> float:
        """Of the part that runs and of all after it; one that takes longer than expected ends any moment."""
        done = len(self.took_s)
        expected = [self._pace() * each for each in self.expected_s[done:]]
        return max(0.0, expected[0] - self._passed_s()) + sum(expected[1:])

    def _passed_s(self) -> float:
        """Of the part that runs; none while the next one has to wait."""
        return 0.0 if self._began is None else self.clock() - self._began

    def _pace(self) -> float:
        """Of the parts that are done: what they took, as a multiple of what was expected."""
        expected = sum(self.expected_s[: len(self.took_s)])
        return sum(self.took_s) / expected if expected else 1.0


def spoken(seconds: float) -> str:
    """`6 min 40 s`, in steps of ten seconds: it is an estimate."""
    minutes, rest = divmod(round(seconds / 10) * 10, 60)
    return f"{minutes:.0f} min {rest:02.0f} s" if minutes else f"{rest:.0f} s"
