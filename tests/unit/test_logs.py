"""Logs: what is configured is what is written, and no secret that a traceback passed by is in it."""

import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog

from opspawn import logs
from opspawn.settings import Settings

SECRET = "sk-a-key-that-must-not-leak"

FORMATS = ["console", "json"]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """The logging of whoever runs the tests, put back afterwards."""
    names = ("", "opspawn", "ops_core", "agentkit", "pika", "dramatiq", "alembic")
    before = {name: logging.getLogger(name).level for name in names}
    handlers = logging.getLogger().handlers
    yield
    logging.getLogger().handlers = handlers
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)
    structlog.reset_defaults()


def _configure(**settings: str) -> None:
    logs.configure(Settings(_env_file=None, **settings))  # type: ignore[arg-type]  # pydantic-settings' own


def _fail_with_a_secret() -> None:
    key = SECRET
    headers = {"authorization": f"Bearer {key}"}
    raise RuntimeError(f"the model refused {len(headers)} header")


def _by_structlog() -> None:
    structlog.get_logger("opspawn.test").exception("the call failed")


def _by_stdlib() -> None:
    logging.getLogger("somebody.else").exception("the call failed")  # noqa: LOG004  # called in one


@pytest.mark.parametrize("write", [_by_structlog, _by_stdlib])
@pytest.mark.parametrize("log_format", FORMATS)
def test_a_traceback_shows_no_local_variable(
    log_format: str, write: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """The error and where it was raised are told; the values that were at hand there are not."""
    _configure(log_format=log_format)
    try:
        _fail_with_a_secret()
    except RuntimeError:
        write()
    written = capsys.readouterr().err
    assert "the model refused 1 header" in written
    assert "_fail_with_a_secret" in written
    assert SECRET not in written


@pytest.mark.parametrize("log_format", FORMATS)
def test_logs_leave_standard_output_to_results(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever reads a command's output does not read its logs."""
    _configure(log_format=log_format)
    structlog.get_logger("opspawn.test").warning("something")
    assert "" == capsys.readouterr().out


def test_json_is_one_object_a_line_whoever_wrote_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Ours and a library's carry the same stamps; a traceback stays inside its line."""
    _configure(log_format="json")
    structlog.get_logger("ops_core.test").info("ours", task_id="task_1")
    try:
        _fail_with_a_secret()
    except RuntimeError:
        _by_stdlib()
    ours, theirs = map(json.loads, capsys.readouterr().err.splitlines())
    assert ("ours", "task_1", "info") == (ours["event"], ours["task_id"], ours["level"])
    assert ("the call failed", "error") == (theirs["event"], theirs["level"])
    assert ["ops_core.test", "somebody.else"] == [ours["logger"], theirs["logger"]]
    assert ours["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_the_level_is_that_of_our_own_lines(
    level: str, expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What lies below OPSPAWN_LOG_LEVEL is not written."""
    _configure(log_level=level, log_format="json")
    log = structlog.get_logger("opspawn.test")
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("a line")
    assert expected == [json.loads(line)["level"] for line in capsys.readouterr().err.splitlines()]


def test_libraries_only_warn(capsys: pytest.CaptureFixture[str]) -> None:
    """At `info` a library's own information stays out, and so do errors that we report ourselves."""
    _configure(log_level="info", log_format="json")
    logging.getLogger("somebody.else").info("chatter")
    logging.getLogger("somebody.else").warning("a warning")
    logging.getLogger("pika.adapters").error("the connection is away")
    assert ["a warning"] == [
        json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()
    ]


@pytest.mark.parametrize("log_format", FORMATS)
def test_a_credential_in_a_line_is_not_written(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever wrote it, and wherever it stands: in the message, in a value, in an error."""
    _configure(log_format=log_format)
    key = f"osk_0123456789abcdef_{'a' * 43}"
    structlog.get_logger("opspawn.test").warning("refused", headers={"authorization": key})
    logging.getLogger("somebody.else").warning("sent Authorization: Bearer %s", "eyJ.token.x")
    try:
        raise RuntimeError(f"no answer for {key}")  # noqa: TRY301  # as a library's error says it
    except RuntimeError:
        structlog.get_logger("opspawn.test").exception("failed")
    written = capsys.readouterr().err
    assert 3 == written.count("[secret]")
    assert (0, 0) == (written.count(key), written.count("eyJ.token.x"))
