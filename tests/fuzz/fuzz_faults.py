"""What the log says of faults of ours while a fuzzer runs; everything else that is logged is dropped."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import structlog

#: The hand's own program lets a call fail.
_MEANT: Final = frozenset({"an unsafe step raised"})


@contextmanager
def faults() -> Iterator[list[str]]:
    """Errors that were logged meanwhile, each with its traceback."""
    found: list[str] = []
    shown = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )

    def keep(logger: Any, method: str, event: Any) -> Any:
        if method in {"error", "exception", "critical"} and event["event"] not in _MEANT:
            found.append(str(shown(logger, method, event)))
        raise structlog.DropEvent

    # In place, as structlog's own capture does: loggers that are in use keep this very list.
    processors = structlog.get_config()["processors"]
    before = processors.copy()
    processors[:] = [structlog.processors.format_exc_info, keep]
    try:
        yield found
    finally:
        processors[:] = before
