"""Logs of a process: lines for people or JSON, always on standard error."""

import logging
import re
import sys
from typing import Final

import structlog

from opspawn.settings import Settings

#: Libraries that repeat as errors what we report ourselves when it matters.
_TALKATIVE: Final = ("pika", "dramatiq", "alembic", "mcp")

#: Credentials, wherever they stand in a line: keys of ours, and whatever follows the word of the header.
_CREDENTIALS: Final = re.compile(r"osk_[0-9a-f]{16}_[A-Za-z0-9_-]{43}|(?i:(?<=bearer )\S+)")

#: What every line carries, whoever wrote it.
_STAMPS: Final[list[structlog.typing.Processor]] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure(settings: Settings) -> None:
    """Sets up the logs of this process, ours and those of libraries; libraries only warn."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            *_STAMPS,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(settings))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.WARNING))
    for name in ("opspawn", "ops_core", "agentkit"):
        logging.getLogger(name).setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL if level > logging.DEBUG else level)


class _Redacting(structlog.stdlib.ProcessorFormatter):
    """The last safeguard of several: no line of ours names a credential, but libraries write lines too."""

    def format(self, record: logging.LogRecord) -> str:
        return _CREDENTIALS.sub("[secret]", super().format(record))


def _formatter(settings: Settings) -> logging.Formatter:
    last: list[structlog.typing.Processor]
    if settings.log_format == "json":
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Plain tracebacks: the pretty ones print local variables, which hold keys and clients' data.
        plain = structlog.dev.plain_traceback
        last = [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
        ]
    return _Redacting(
        foreign_pre_chain=_STAMPS,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *last,
        ],
    )
