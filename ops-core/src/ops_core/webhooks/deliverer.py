"""Sends what is due: a loop of its own beside the dispatcher's, which must never wait for a network.

At least once: a claim is a lease, and what a killed dispatcher had sent but not recorded is sent again under
the same `webhook-id`. What a receiver decides in its answer is done before the delivery counts as made, and
coming again it changes nothing. Deliveries of one task are begun in the order of its events, but several are
under way at once and one that fails does not hold up those behind it: `seq` tells a receiver the order.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from ops_core.errors import StoreUnavailable
from ops_core.log import storable
from ops_core.webhooks.model import MAX_RESPONSE, Attempt, Claimed, Delivery
from ops_core.webhooks.payload import payload
from ops_core.webhooks.port import (
    Answer,
    Decisions,
    DeliveryStore,
    NoAnswer,
    Refused,
    Sender,
    Undecided,
)
from ops_core.webhooks.signing import headers
from ops_core.webhooks.verdict import Patience, verdict

log = structlog.get_logger(__name__)

#: How often the store is asked when nothing was due. Seconds.
IDLE_S: Final = 0.5

#: Requests under way to one webhook: a slow receiver must not take all the places. Others' share is the rest.
PER_WEBHOOK: Final = 4

#: The part of all places that one tenant may take, however many webhooks it has: the rest is for others.
TENANTS_PART: Final = 0.75

#: What a claim outlives its request by: to write down what came of it. Seconds.
SLACK_S: Final = 30.0

#: How long requests under way may take to end at a stop. Seconds.
DRAIN_S: Final = 5.0


class Deliverer:
    """Works with at most `concurrency` requests at once.

    `timeout_s`: the sender's own. `pushed`: writes what a receiver of A2A is sent. Without `decisions` no
    receiver decides anything.
    """

    def __init__(
        self,
        store: DeliveryStore,
        sender: Sender,
        *,
        patience: Patience | None = None,
        concurrency: int = 16,
        timeout_s: float = 15.0,
        idle_s: float = IDLE_S,
        pushed: Callable[[Claimed], bytes] = payload,
        decisions: Decisions | None = None,
    ) -> None:
        self._store = store
        self._sender = sender
        self._patience = patience or Patience()
        self._concurrency = concurrency
        self._lease_s = timeout_s + SLACK_S
        self._idle_s = idle_s
        self._per_tenant = max(1, int(concurrency * TENANTS_PART))
        self._pushed = pushed
        self._decisions = decisions
        self._sending: dict[asyncio.Task[None], Delivery] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. A store that is away is waited for."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                try:
                    begun, failed = await self.begin()
                except StoreUnavailable as error:
                    log.warning("webhooks wait", error=str(error))
                    begun = failed = 0
                if failed:  # what they stood in the way of is due
                    continue
                # A place that comes free is news only where one was missing, or something was due.
                ends = self._sending if begun or len(self._sending) >= self._concurrency else ()
                await asyncio.wait(
                    {stopping, *ends}, timeout=self._idle_s, return_when=asyncio.FIRST_COMPLETED
                )
        finally:
            stopping.cancel()
            await self._drain()

    async def begin(self) -> tuple[int, int]:
        """Begins to send what is due, as far as there are places; returns how much that was.

        And how much of it failed at once, because its webhook is disabled.
        """
        free = self._concurrency - len(self._sending)
        if free <= 0:
            return 0, 0
        counts = Counter(each.webhook_id for each in self._sending.values())
        found = await self._store.claim(
            free,
            busy={webhook for webhook, count in counts.items() if count >= PER_WEBHOOK},
            under_way=Counter(each.tenant_id for each in self._sending.values()),
            per_tenant=self._per_tenant,
            lease_s=self._lease_s,
        )
        for claimed in found.claimed:
            sending = asyncio.create_task(self._deliver(claimed))
            self._sending[sending] = claimed.delivery
            sending.add_done_callback(self._sending.pop)
        return len(found.claimed), found.failed

    async def settled(self) -> None:
        """Returns when no request is under way."""
        while self._sending:
            await asyncio.wait(self._sending)

    async def _drain(self) -> None:
        if self._sending:
            await asyncio.wait(self._sending, timeout=DRAIN_S)
        for sending in list(self._sending):
            sending.cancel()  # its lease will run out
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _deliver(self, claimed: Claimed) -> None:
        try:
            await self._attempt(claimed)
        except StoreUnavailable as error:
            log.warning("a delivery was not recorded and will be made again", error=str(error))
        except Exception:
            # One delivery that meets a bug must not end the loop; its lease runs out, and it is tried again.
            log.exception("a delivery failed here", delivery=claimed.delivery.delivery_id)

    async def _attempt(self, claimed: Claimed) -> None:
        came = await self._came(claimed)
        attempt = _attempt_of(claimed, came)
        since = claimed.failing_since
        outcome = verdict(
            claimed,
            attempt,
            self._patience,
            final=came.final,
            retry_after_s=came.answer.retry_after_s if came.answer else None,
            failing_s=(claimed.now - since).total_seconds() if since else 0.0,
        )
        if await self._store.record(claimed, attempt, outcome) and outcome.disables:
            log.warning(
                "a webhook was disabled",
                webhook=claimed.delivery.webhook_id,
                tenant=claimed.delivery.tenant_id,
                reason=outcome.disables,
            )

    async def _came(self, claimed: Claimed) -> "_Came":
        """Sends it, and does what the receiver decides."""
        came, started = _Came(), time.monotonic()
        try:
            if claimed.event is None and claimed.delivery.task_id is not None:
                raise Refused("its task was deleted meanwhile")  # noqa: TRY301  # one place says what came of it
            came.answer = await self._send(claimed)
            came.duration_s = time.monotonic() - started
            if claimed.decides and self._decisions and came.answer.is_success:
                came.decision = await self._decisions.take(claimed, came.answer)
        except Refused as refused:
            came.error, came.final = str(refused), True
        except (NoAnswer, Undecided) as failed:
            came.error = str(failed)
        came.duration_s = came.duration_s or time.monotonic() - started
        return came

    async def _send(self, claimed: Claimed) -> Answer:
        push = claimed.push
        body = payload(claimed) if push is None else self._pushed(claimed)
        signed = headers(claimed.delivery.delivery_id, claimed.now, body, claimed.secrets)
        return await self._sender.post(claimed.url, body, signed | (push.headers() if push else {}))


@dataclass(slots=True)
class _Came:
    """What one request came to."""

    answer: Answer | None = None
    error: str | None = None
    final: bool = False
    decision: str | None = None
    duration_s: float = 0.0


def _attempt_of(claimed: Claimed, came: _Came) -> Attempt:
    answer, error, response = came.answer, came.error, None
    if answer is not None and not answer.is_success:
        error = f"the receiver answered {answer.status_code}"
    # What decided stands in the log of the task, for those who may read that.
    if answer is not None and came.decision is None:
        response = storable(answer.body[: 4 * MAX_RESPONSE].decode(errors="replace"))[:MAX_RESPONSE]
    return Attempt(
        at=claimed.now,
        status_code=answer.status_code if answer else None,
        duration_s=round(came.duration_s, 3),
        error=error[:500] if error else None,
        response=response or None,
        decision=came.decision,
    )
