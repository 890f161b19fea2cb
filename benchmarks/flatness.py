"""Whether something that was looked at for long has grown: a slope that a few outliers do not move."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Final

#: More points than this are thinned out: their slopes are taken pair by pair.
_MOST: Final = 200


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen so many seconds after the beginning."""

    at_s: float
    value: float


def after(looks: Sequence[Look], warm_up_s: float) -> list[Look]:
    """Without those of the warm-up, in which caches fill and pools open."""
    return [look for look in looks if look.at_s >= warm_up_s]


def slope(looks: Sequence[Look]) -> float:
    """What it grows by in a second: the median of the slopes between any two looks (Theil and Sen).

    Raises `ValueError` for fewer than two looks.
    """
    if len(looks) < 2:
        raise ValueError("a slope takes two looks at least: run for longer")
    thin = looks[:: -(-len(looks) // _MOST)]
    return median(
        (last.value - first.value) / (last.at_s - first.at_s)
        for first, last in combinations(thin, 2)
    )


def growth(looks: Sequence[Look]) -> float:
    """By which part of its median it has grown from the first look to the last, by its slope."""
    seconds = looks[-1].at_s - looks[0].at_s
    return slope(looks) * seconds / median(look.value for look in looks)
