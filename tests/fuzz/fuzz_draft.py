"""One operation that is being thought up: whose ids it names, and what it says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any, Final

from fuzz_tenant import Tenant, unguessable


class About(StrEnum):
    """Whose things the operation names."""

    OWN = "own"
    OTHER = "other"
    """One id is another tenant's: the answer must be that for an id that does not exist."""

    MISSING = "missing"
    JUNK = "junk"
    """One value is nonsense."""


#: Kinds whose ids clients may give themselves. Who has used one once has a thing of that name.
CHOSEN: Final = frozenset({"thread", "agent", "limit", "user"})

JUNK: Final[tuple[Any, ...]] = (
    "",
    "\x00",
    "a\nb",
    "x" * 3000,
    "'; DROP TABLE task; --",
    "../../etc/passwd",
    "%00",
    "é\U0001f600",
    -1,
    0,
    2**63,
    1e308,
    True,
    None,
    [],
    {},
    [[["x"]]],
    {"\x00": 1},
)


@dataclass
class Draft:
    """Draws values for an operation of `me`."""

    me: Tenant
    other: Tenant
    dice: Random
    about: About
    foreign: str | None = None
    """The id of the other tenant that was drawn, if any."""

    missing: str | None = None
    """An id of the same shape that does not exist."""

    kind: str = ""
    """Of the foreign id."""

    spoilt: bool = field(default=False)

    def id(self, kind: str) -> str:
        """An id of that kind; at most one of an operation is the other tenant's."""
        if self.about is About.OTHER and self.foreign is None:
            known = self._foreign(kind)
            if known:
                self.foreign, self.kind = self.dice.choice(known), kind
                self.missing = self._unheard_of(self.foreign)
                return self.foreign
        if self.about is About.MISSING and self.missing is None:
            self.missing = self._unheard_of(f"{kind}_{'0' * 32}")
            return self.missing
        own = self.me.told[kind]
        # The newest half of the time: it is the likeliest to be in a state that something can be done in.
        recent = own[-8:] if self.dice.random() < 0.5 else own
        return self.dice.choice(recent) if recent else self._unheard_of(f"{kind}_{'0' * 32}")

    def name(self, kind: str) -> str:
        """A name that a client gives: one of a few that all use, or one of its own."""
        if self.about is About.OTHER and self.foreign is None and self._foreign(kind):
            return self.id(kind)
        if self.dice.random() < 0.7:
            return f"{kind}-{self.dice.randrange(6)}"
        made = self._unheard_of(f"{kind}_{'0' * 32}")
        self.me.chosen[kind].append(made)
        return made

    def word(self) -> str:
        return self.me.word(self.dice)

    def maybe(self, chance: float) -> bool:
        return self.dice.random() < chance

    def spoil(self, value: Any) -> Any:
        """The value, or nonsense instead of it, once in an operation."""
        if self.about is not About.JUNK or self.spoilt or not self.maybe(0.4):
            return value
        self.spoilt = True
        return self.dice.choice(JUNK)

    def _foreign(self, kind: str) -> list[str]:
        known = [*self.other.told[kind], *self.other.chosen[kind]]
        if kind in CHOSEN:
            mine = self.me.sent | self.me.heard
            known = [k for k in known if not unguessable(k.encode()) & mine]
        return [k for k in known[-20:] if unguessable(k.encode())]

    def _unheard_of(self, like: str) -> str:
        prefix, mark, rest = like.rpartition("_")
        made = f"{self.dice.getrandbits(4 * len(rest) - 4):0{len(rest)}x}" if rest else "0"
        return f"{prefix}{mark}{made}"


Value = Callable[[Draft], Any]


def drawn(draft: Draft, names: Mapping[str, Value], wanted: list[str]) -> dict[str, Any]:
    """A value for each of the names."""
    return {name: draft.spoil(names[name](draft)) for name in wanted}
