"""What the calls of one run are paid from, and what was told of it in the run's log."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

import structlog

from ops_core.amounts import Amounts
from ops_core.budgets.ledger import IN_THE_WAY, Exhausted, Settlement, Verdict, Wanted
from ops_core.errors import StoreUnavailable, TaskFailed
from ops_core.log import EventType, NewEvent
from ops_core.ports import Lease, WorkerStore
from ops_core.task import NOTHING_USED, Reason, Usage

log = structlog.get_logger(__name__)

#: How long to rest while what others have reserved is in the way: first, and at most. Seconds.
IN_THE_WAY_REST_S: Final = (0.05, 1.0)

Say = Callable[[NewEvent], Awaitable[None]]
"""Appends an event to the run's log."""


class RunPurse:
    """`Purse` of a task that budgets hold for."""

    def __init__(
        self,
        store: WorkerStore,
        lease: Lease,
        budget_ids: Sequence[str],
        say: Say,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._lease = lease
        self._budget_ids = tuple(budget_ids)
        self._say = say
        self._clock = clock
        self._began_s: dict[str, float] = {}

    async def reserve(self, path: str, wanted: Wanted) -> None:
        """See `Purse`."""
        rest_s, most_s = IN_THE_WAY_REST_S
        waited = False
        while True:
            verdict = await self._asked(path, wanted, waited=waited)
            if verdict.is_granted:
                self._began_s[path] = self._clock()
                return
            if verdict.exhausted is not None:
                await self._fail(path, verdict.exhausted)
            await asyncio.sleep(rest_s)
            rest_s = min(rest_s * 2, most_s)
            waited = True

    async def _asked(self, path: str, wanted: Wanted, *, waited: bool) -> Verdict:
        """A store that is away, or budgets in other hands, are waited for like what others have reserved."""
        try:
            return await self._store.reserve(
                self._lease, path, wanted, self._budget_ids, waited=waited
            )
        except StoreUnavailable as error:
            log.warning("the store is away, reserving again", path=path, error=str(error))
            return IN_THE_WAY

    async def put_back(self, path: str) -> None:
        """See `Purse`."""
        if self._began_s.pop(path, None) is not None:
            with suppress(StoreUnavailable):  # it is dead as soon as this run is over
                await self._store.put_back(self._lease, path, self._budget_ids)

    def settlement(self, path: str, usage: Usage) -> Settlement | None:
        """What is to be charged with a step that used this; None for a step that costs nothing."""
        began_s = self._began_s.pop(path, None)
        if began_s is None and usage == NOTHING_USED:
            return None
        passed_s = 0.0 if began_s is None else self._clock() - began_s
        used = Amounts(
            cost_usd=usage.cost_usd,
            tokens=usage.input_tokens + usage.output_tokens,
            steps=usage.steps,
            seconds=round(passed_s, 3),
        )
        return Settlement(path=path, used=used, budget_ids=self._budget_ids)

    async def _fail(self, path: str, found: Exhausted) -> None:
        data = {
            "path": path,
            "budget": found.budget_id,
            "what": list(found.what),
            "allowed": found.allowance.json(),
            "spent": found.spent.json(),
        }
        await self._say(NewEvent(type=EventType.BUDGET_EXHAUSTED, data=data))
        raise TaskFailed("budget_exhausted", _message(found), reason=Reason.BUDGET_EXHAUSTED)


def settled_event(settled: Settlement) -> NewEvent:
    """What the log says of a settlement, beside the step that it is for."""
    data = {"path": settled.path, "budgets": [*settled.budget_ids], **settled.used.json()}
    return NewEvent(type=EventType.BUDGET_SETTLED, data=data)


def _message(found: Exhausted) -> str:
    name = f"budget {found.budget_id}"
    if not found.is_priced and "cost_usd" in found.what:
        return (
            f"The {name} limits money, and the price of this model is not known: limit tokens instead, or "
            "use a model whose price is known."
        )
    what = ", ".join(found.what)
    return (
        f"The {name} does not hold what the next call may use ({what}): raise it, then retry the task; "
        "what is done is not done again."
    )
