"""A chore of the dispatcher: carries out the schedules that are due."""

import time
from collections.abc import Callable
from typing import Final

import structlog

from ops_core.errors import CallerError, StoreUnavailable, Unavailable
from ops_core.schedules.model import Schedule
from ops_core.schedules.port import DueStore
from ops_core.schedules.template import prepared
from ops_core.service import TaskService

log = structlog.get_logger(__name__)

#: Schedules carried out in one pass; each is a transaction of its own, and other chores wait for it.
PASS: Final = 50

#: How long a schedule rests whose queued firing found no room. Seconds.
NO_ROOM_REST_S: Final = 1.0

#: How long one rests that has waited for a lock in vain, and kept the others waiting. Seconds.
HELD_UP_REST_S: Final = 10.0


class DueSchedules:
    """Several dispatchers may run it: each firing is carried out by one of them."""

    def __init__(
        self, store: DueStore, tasks: TaskService, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._clock = clock
        self._rests: dict[str, float] = {}

    async def run(self) -> int:
        """One pass; returns how many firings were carried out. Raises `StoreUnavailable`."""
        now = self._clock()
        self._rests = {id_: until for id_, until in self._rests.items() if until > now}
        due = await self._store.due(PASS)
        fired, held_up = 0, 0
        for schedule in due:
            if schedule.schedule_id in self._rests:
                continue
            try:
                fired += await self._passed(schedule, now)
            except StoreUnavailable as error:
                # One meets a lock, its thread's say, and would first in every pass; two are an outage.
                held_up += 1
                if held_up > 1:
                    raise
                self._rests[schedule.schedule_id] = now + HELD_UP_REST_S
                log.warning("a schedule waits", schedule_id=schedule.schedule_id, error=str(error))
        return fired

    async def _passed(self, schedule: Schedule, now: float) -> int:
        """What was queued and finds no room is tried again, but not in every pass."""
        fired = await self._fired(schedule)
        if schedule.queued and not fired:
            self._rests[schedule.schedule_id] = now + NO_ROOM_REST_S
        return fired

    async def _fired(self, schedule: Schedule) -> int:
        try:
            task = schedule.spec.task
            new = await prepared(self._tasks, task, tenant_id=schedule.tenant_id)
            return await self._store.fire(schedule, new)
        except Unavailable:
            raise
        except CallerError as error:
            reason = str(error)
        except Exception:
            # Protects the other schedules: this one would be the first of every pass.
            log.exception("a schedule cannot fire", schedule_id=schedule.schedule_id)
            reason = "a fault of the server; its log has the reason"
        failed = await self._store.fail(schedule, reason)
        if failed:
            log.warning("schedule paused", schedule_id=schedule.schedule_id, reason=reason)
        return int(failed)
