"""How much of what: money, tokens, steps and time. What a budget allows, and what calls use of it."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Final, Self, TypeVar

N = TypeVar("N", int, float, Decimal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """What was used, or may be. `steps` are model calls, `seconds` the time that was spent on them."""

    cost_usd: Decimal = Decimal(0)
    tokens: int = 0
    steps: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(
            cost_usd=self.cost_usd + other.cost_usd,
            tokens=self.tokens + other.tokens,
            steps=self.steps + other.steps,
            seconds=round(self.seconds + other.seconds, 3),
        )

    def __sub__(self, other: "Amounts") -> "Amounts":
        return Amounts(
            cost_usd=self.cost_usd - other.cost_usd,
            tokens=self.tokens - other.tokens,
            steps=self.steps - other.steps,
            seconds=round(self.seconds - other.seconds, 3),
        )

    def json(self) -> dict[str, Any]:
        """As events say it: money is a plain decimal, in a string."""
        return {
            "cost_usd": f"{self.cost_usd:f}",
            "tokens": self.tokens,
            "steps": self.steps,
            "seconds": self.seconds,
        }


NOTHING: Final = Amounts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What may be used at most; None: as much as is wanted."""

    cost_usd: Decimal | None = None
    tokens: int | None = None
    steps: int | None = None
    seconds: float | None = None

    def json(self) -> dict[str, Any]:
        """What is limited, as it is stored and told."""
        said = {"cost_usd": None if self.cost_usd is None else f"{self.cost_usd:f}"}
        rest = {name: getattr(self, name) for name in ("tokens", "steps", "seconds")}
        return {name: value for name, value in (said | rest).items() if value is not None}

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        """From what `json` gave."""
        known = {field.name: stored.get(field.name) for field in fields(cls)}
        cost = known.pop("cost_usd")
        return cls(cost_usd=None if cost is None else Decimal(cost), **known)

    def exceeded_by(self, used: Amounts) -> Iterator[str]:
        """The names of what would be more than is allowed."""
        for field in fields(self):
            most = getattr(self, field.name)
            if most is not None and getattr(used, field.name) > most:
                yield field.name

    def left(self, used: Amounts) -> "Allowance":
        """What remains of it; never less than nothing."""
        return Allowance(
            cost_usd=_left(self.cost_usd, used.cost_usd),
            tokens=_left(self.tokens, used.tokens),
            steps=_left(self.steps, used.steps),
            seconds=_left(self.seconds, used.seconds),
        )


def _left(most: N | None, used: N) -> N | None:
    return None if most is None else max(type(most)(0), most - used)
