"""How a command ends: the exit codes that scripts rely on, and the errors that carry one."""

from typing import Final

#: The outcome of a task, for `run`, `demo` and `tasks follow`.
COMPLETED: Final = 0
FAILED: Final = 1
CANCELLED: Final = 2
WAITING: Final = 3

#: No server could be reached, or it went away for too long. The task, if there is one, goes on.
UNREACHABLE: Final = 4

#: The server refused the request: invalid, unknown, or in conflict.
REFUSED: Final = 5

#: A wrong option, argument or setting (EX_USAGE of sysexits.h).
USAGE: Final = 64

#: Opspawn could not start or serve: a port is taken, the database is away (EX_UNAVAILABLE).
UNAVAILABLE: Final = 69

#: A fault of ours (EX_SOFTWARE).
INTERNAL: Final = 70

#: Ctrl-C (128 + SIGINT).
INTERRUPTED: Final = 130

OUTCOMES: Final = {
    "completed": COMPLETED,
    "failed": FAILED,
    "cancelled": CANCELLED,
    "waiting": WAITING,
}


class CommandError(Exception):
    """The command ends here; the message is for a person and says what to do next."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Unreachable(CommandError):
    """No server answers."""

    def __init__(self, message: str) -> None:
        super().__init__(message, UNREACHABLE)


class Refused(CommandError):
    """The server answered, and refused."""

    def __init__(self, message: str) -> None:
        super().__init__(message, REFUSED)
