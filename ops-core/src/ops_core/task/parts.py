"""What a task is made of: its error, what it has used, how it is tried again, what it waits for."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from ops_core.log import rfc3339
from ops_core.task.states import Reason

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskError:
    """Why a task failed: `type` is the same string on every door, `message` says what to do next."""

    type: str
    message: str
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a task has used so far. `cost_usd` counts only calls whose price is known."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    steps: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=self.cost_usd + other.cost_usd,
            steps=self.steps + other.steps,
        )


NOTHING_USED: Final = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a task is tried, and how long it rests between two attempts (seconds)."""

    max_attempts: int = 3
    backoff_s: float = 2.0
    max_backoff_s: float = 300.0

    def delay_s(self, attempt: int, *, jitter: float) -> float:
        """Rest after failed attempt number `attempt` (1, 2, …): exponential, capped, with `jitter` in [0, 1).

        Half of the rest is fixed and half is drawn: tasks that failed together do not return together.
        """
        # 2**64 already exceeds any cap; without the bound a large attempt would overflow a float.
        rest = min(self.max_backoff_s, self.backoff_s * 2.0 ** min(attempt - 1, 64))
        return rest * (0.5 + jitter / 2)

    def json(self) -> JsonObject:
        return {
            "max_attempts": self.max_attempts,
            "backoff_s": self.backoff_s,
            "max_backoff_s": self.max_backoff_s,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One thing that a task waits for, at one step of its program."""

    reason: Reason
    step: str
    """The step's path."""

    detail: JsonObject = field(default_factory=dict)
    """Public: what a client needs to know to bring it (the question, the call in doubt, the children)."""

    until: datetime | None = None
    """When the task wakes by itself; None: only something from outside wakes it."""

    children_needed: int | None = None
    """How many children must end before it is worth looking again."""

    def public(self) -> JsonObject:
        """What clients see of it."""
        until = {"until": rfc3339(self.until)} if self.until else {}
        # What was recorded of a call says `step` for its number: who resolves it needs the path.
        return {**self.detail, "reason": self.reason, "step": self.step, **until}
