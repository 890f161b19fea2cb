"""The `opspawn` command."""

import sys
import traceback

import typer

from opspawn.cli.commands import app
from opspawn.cli.configuration import settings
from opspawn.cli.exits import INTERNAL, INTERRUPTED, USAGE, CommandError

__all__ = ["app", "main"]


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a sign shows a question mark; that must never end a command.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # both are TextIOWrapper
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs a command; returns its exit code. Errors become one line on standard error.

    When the reader of its output leaves (`opspawn tasks list | head`), typer ends it quietly with 1.
    """
    try:
        return app(arguments, prog_name="opspawn", standalone_mode=False) or 0
    except CommandError as stop:
        return _end(str(stop), stop.code, stop, arguments)
    except typer.TyperException as error:
        return _end(
            f"{error.format_message()} {_help_hint(error)}".strip(), USAGE, error, arguments
        )
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  # the last door: a person sees a line, no traceback
        line = f"internal error ({type(error).__name__}: {error}); report what --debug shows."
        return _end(line, INTERNAL, error, arguments)


def _end(line: str, code: int, error: Exception, arguments: list[str]) -> int:
    if _wants_traceback(arguments):
        traceback.print_exception(error)
    sys.stderr.write(f"opspawn: {line}\n")
    return code


def _help_hint(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f"(see `{context.command_path} --help`)" if context is not None else ""


def _wants_traceback(arguments: list[str]) -> bool:
    if arguments[:1] == ["--debug"]:
        return True
    try:
        return settings().log_level == "debug"
    except CommandError:
        return False
