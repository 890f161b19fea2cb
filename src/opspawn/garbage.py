"""How often a serving process looks for garbage that reference counts do not free."""

import gc
from typing import Final

#: Objects made and not freed yet before the young are looked through. A call of a model keeps two hundred
#: for as long as the model thinks: with Python's 700, a thousand agents that wait for one were looked through
#: again and again, for a third of what they cost. What is missed meanwhile is a few megabytes.
_YOUNG: Final = 20_000

#: Rounds of the young before those are looked through that outlived one, and of those before all are. What a
#: thousand agents hold outlives them: with Python's ten for the young it was a fifth of what they cost.
_YOUNG_ROUNDS: Final = 50
_ROUNDS: Final = 10


def collect_seldom() -> None:
    """Sets the collector of this process to what thousands of waiting coroutines need."""
    gc.set_threshold(_YOUNG, _YOUNG_ROUNDS, _ROUNDS)
