"""What it costs to match a stranger's regular expressions, estimated before it is paid.

The engine takes linear time, but counted repetitions multiply: `(?:[a-z]?){30000}` on 100,000 characters is a
minute. What would cost too much is not matched, and holds.
"""

from __future__ import annotations

import re

_MOST = 20_000_000
"""Of one check: elements of an expression times characters. Some 50 ns each."""

_COMPILING = 1_000
"""An expression is made once in a check, which costs as much as so many characters. A wide class
(`\\w` has hundreds of ranges) counts as several elements."""

_WIDE = 20

_COUNTED = re.compile(r"\{\d*,?(\d*)\}")
_NUMBER = re.compile(r"\d+")
_SPACED = re.compile(r"\(\?[a-zA-Z-]*x")
"""Blanks and comments between an element and its count are not looked through."""


class Effort:
    """What one check may cost."""

    def __init__(self) -> None:
        self._left = _MOST
        self._made: set[str] = set()

    def allows(self, pattern: str, text: str) -> bool:
        """Whether there is still enough for it; if so, it is taken off."""
        making = 0 if pattern in self._made else _COMPILING
        cost = size_of(pattern) * (len(text) + making)
        if cost > self._left:
            return False
        self._made.add(pattern)
        self._left -= cost
        return True


def size_of(pattern: str) -> int:
    """How many elements it has when its repetitions are written out, or more."""
    if _SPACED.search(pattern):
        return _MOST
    sizes = [0]  # of the open groups
    last = 0  # the element or group that a count would repeat
    place = 0
    while place < len(pattern):
        sign, step = pattern[place], 1
        if sign == "(":
            sizes.append(0)
        elif sign == ")" and len(sizes) > 1:
            last = sizes.pop()
            sizes[-1] += last
        elif (counted := _COUNTED.match(pattern, place)) is not None:
            most = max(map(int, _NUMBER.findall(counted[0])), default=1)
            sizes[-1] += last * max(most - 1, 0)
            last, step = last * max(most, 1), len(counted[0])
        elif sign not in "*+?|":
            last, step = _element(pattern, place)
            sizes[-1] += last
        place += step
    return max(1, sum(sizes))


def _element(pattern: str, place: int) -> tuple[int, int]:
    """The size of one element, and how many signs it is written with."""
    if pattern[place] == "\\":
        return (_WIDE if pattern[place + 1 : place + 2].isalpha() else 1), 2
    if pattern[place] != "[":
        return 1, 1
    end = place + 1
    while end < len(pattern) and pattern[end] != "]":
        end += 2 if pattern[end] == "\\" else 1
    return (_WIDE if "\\" in pattern[place:end] else 2), end + 1 - place
