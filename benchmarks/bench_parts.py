"""What `make bench` runs: the parts in their order, each a program of its own that also runs alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks import footprint, reach_targets, waiting
from benchmarks.targets import Target


@dataclass(frozen=True, slots=True)
class Part:
    """`start_s` and `round_s`: about how long its start and one of its rounds take on two cores."""

    name: str
    what: str
    command: tuple[str, ...]
    """A script of this folder, and what it is told beside the rounds."""

    targets: Sequence[Target]
    start_s: float
    round_s: float

    def expected_s(self, rounds: int) -> float:
        return self.start_s + self.round_s * rounds


def _of_reach(name: str, what: str, start_s: float, round_s: float) -> Part:
    command = ("reach.py", "--only", name)
    return Part(name, what, command, reach_targets.TARGETS[name], start_s, round_s)


PARTS: Final = (
    _of_reach("steps", "five durable steps, beside peers", 13, 41),
    _of_reach("writer", "the step writer, beside fewer guards and fewer shared commits", 3, 4),
    _of_reach("latency", "one task at a time, beside peers", 20, 13),
    _of_reach("doors", "submits a second, and an event on its way to a client", 8, 17),
    _of_reach("agents", "a thousand agents at once, beside the default HTTP client", 33, 18),
    Part(
        name="waiting",
        what="ten thousand agents that wait for their models",
        command=("waiting.py",),
        targets=waiting.TARGETS,
        start_s=5,
        round_s=25,
    ),
    Part(
        name="footprint",
        what="an idle Opspawn with its database",
        command=("footprint.py",),
        targets=footprint.TARGETS,
        start_s=1,
        round_s=31,
    ),
)
