"""What agents remember."""

from ops_core.errors.kinds import CallerError, Unavailable


class MemoryNotFound(CallerError):
    """There is no such memory, or it belongs to another tenant (the answer is the same)."""

    type = "memory_not_found"

    def __init__(self, memory_id: str) -> None:
        super().__init__(f"There is no memory {memory_id[:100]!r}.")


class MemoriesNotConfigured(CallerError):
    """The server keeps no memories, or this process cannot reach them; only the operator can change that.

    `why` says what to set.
    """

    type = "memories_not_configured"

    def __init__(self, why: str) -> None:
        super().__init__(f"This server gives no access to memories: {why}")


class MemoriesUnavailable(Unavailable):
    """What remembers does not answer, or has too much to do. Its own words stay in the log."""

    type = "memories_unavailable"
    is_public = True
    retry_after_s = 5

    def __init__(self) -> None:
        super().__init__("The memories are away or busy: send the request again in a while.")
