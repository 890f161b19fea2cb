"""How much may be under way, and what it may cost."""

from ops_core.errors.kinds import CallerError, NotNow


class LimitNotFound(CallerError):
    """The tenant has set no limit for this concurrency key."""

    type = "limit_not_found"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"No limit is set for the key {key[:100]!r}: one of its tasks runs at once."
        )


class BudgetNotFound(CallerError):
    """There is no such budget, or it belongs to another tenant (the answer is the same)."""

    type = "budget_not_found"

    def __init__(self, budget_id: str) -> None:
        super().__init__(f"There is no budget {budget_id[:100]!r}.")


class TooManyTasks(NotNow):
    """The tenant has as many unfinished tasks as it may have."""

    type = "too_many_tasks"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"This tenant has {limit} unfinished tasks, which is its limit: wait until some have ended, or "
            "cancel some."
        )


class BacklogFull(NotNow):
    """All tenants together have as many unfinished tasks as this server takes."""

    type = "backlog_full"
    retry_after_s = 15

    def __init__(self) -> None:
        super().__init__("This server has as much work as it takes: send the task again later.")
