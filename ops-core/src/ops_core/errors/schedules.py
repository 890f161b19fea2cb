"""Schedules."""

from ops_core.errors.kinds import CallerError


class ScheduleNotFound(CallerError):
    """There is no such schedule, or it belongs to another tenant (the answer is the same)."""

    type = "schedule_not_found"

    def __init__(self, schedule_id: str) -> None:
        super().__init__(f"There is no schedule {schedule_id[:100]!r}.")


class ScheduleExists(CallerError):
    """Another schedule of the tenant has that name."""

    type = "schedule_exists"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"A schedule named {name!r} exists; change that one, or choose another name."
        )


class ScheduleChanged(CallerError):
    """A change was made of a schedule that somebody else changed meanwhile."""

    type = "schedule_changed"

    def __init__(self, schedule_id: str) -> None:
        super().__init__(
            f"The schedule {schedule_id} was changed meanwhile; read it, and send the change again."
        )
