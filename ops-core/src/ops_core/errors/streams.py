"""Streams that this process cannot open, or has to end."""

from ops_core.errors.kinds import Unavailable


class TooManyStreams(Unavailable):
    """The process serves as many streams as it may."""

    type = "too_many_streams"
    is_public = True

    def __init__(self, limit: int, *, whose: str = "this server") -> None:
        super().__init__(
            f"There are {limit} streams of tasks open already, which is all that {whose} may have here; come "
            "again in a while, or read the events page by page."
        )


class StreamTooSlow(Unavailable):
    """A client did not read its stream: what waited for it would have grown without an end."""

    type = "stream_too_slow"
    is_public = True

    def __init__(self, room: int) -> None:
        super().__init__(
            f"More than {room} events waited to be read; follow the task again from the last event you have."
        )


class ServerStopping(Unavailable):
    """The process is told to stop."""

    type = "server_stopping"
    is_public = True
    retry_after_s = 1

    def __init__(self) -> None:
        super().__init__("This server stops; follow the task again from the last event you have.")
