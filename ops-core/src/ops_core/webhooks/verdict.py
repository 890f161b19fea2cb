"""What becomes of a delivery after an attempt."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ops_core.webhooks.model import Attempt, Claimed, DeliveryStatus
from ops_core.webhooks.port import Outcome

#: The rest after the first failure, which doubles. Seconds.
FIRST_REST_S: Final = 5.0
LONGEST_REST_S: Final = 7200.0

GONE: Final = 410


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a receiver is tried. Seconds."""

    max_attempts: int = 20
    give_up_s: float = 86_400.0
    disable_after_s: float = 5 * 86_400.0
    """A webhook whose every attempt has failed for so long is disabled."""


def verdict(
    claimed: Claimed,
    attempt: Attempt,
    patience: Patience,
    *,
    final: bool = False,
    retry_after_s: float | None = None,
    failing_s: float = 0.0,
    jitter: Callable[[], float] = random.random,
) -> Outcome:
    """2xx is a delivery, 410 the end of the webhook; all else is tried again until patience runs out.

    `final`: no later attempt can be better. `failing_s`: for how long the webhook has failed.
    """
    if attempt.error is None:
        return Outcome(status=DeliveryStatus.DELIVERED)
    if attempt.status_code == GONE:
        return Outcome(status=DeliveryStatus.FAILED, disables="gone")
    if failing_s >= patience.disable_after_s:
        return Outcome(status=DeliveryStatus.FAILED, disables="failing")
    tries = claimed.delivery.tries
    # Between half of it and all of it: many that failed together do not come back together.
    rest = min(FIRST_REST_S * 2 ** min(tries - 1, 30), LONGEST_REST_S) * (0.5 + jitter() / 2)
    rest = max(rest, min(retry_after_s or 0.0, patience.give_up_s))
    waited_s = (claimed.now - claimed.asked_at).total_seconds()
    if final or tries >= patience.max_attempts or waited_s + rest > patience.give_up_s:
        return Outcome(status=DeliveryStatus.FAILED)
    return Outcome(status=DeliveryStatus.PENDING, retry_in_s=rest)
