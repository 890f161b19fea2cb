"""How often a serving process looks for garbage that reference counts do not free."""

import gc
from typing import Final

#: Objects made and not freed yet before the young are looked through. A call of a model keeps two hundred
#: for as long as the model thinks: with Python's 700, a thousand agents that wait for one were looked through
#: again and again, for a third of what they cost. What is missed meanwhile is a few megabytes.
_YOUNG: Final = 20_000

#: How many rounds of a generation before the next older one has its turn; Python's own.
_ROUNDS: Final = 10


def collect_seldom() -> None:
    """Sets the collector of this process to what thousands of waiting coroutines need."""
    gc.set_threshold(_YOUNG, _ROUNDS, _ROUNDS)
