"""What the log says of MCP servers: each change in a line, and nothing twice."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from agentkit.mcp import ServerStatus
from agentkit.mcp.status import State
from opspawn.agents.mcp_log import McpLog

pytestmark = pytest.mark.unit


def status(
    state: State, error: str | None = None, *, left_out: tuple[str, ...] = ()
) -> ServerStatus:
    return ServerStatus("git", state, error, ("git__log",), (), left_out, None, 1, "")


def lines(*seen: ServerStatus) -> list[tuple[str, Any]]:
    """The level of each line, with what it says besides the server."""
    said = McpLog()
    with capture_logs() as logs:
        for one in seen:
            said.status(one)
    assert {"git"} == {line["server"] for line in logs}
    return [(line["log_level"], line.get("why", line.get("tools"))) for line in logs]


def test_a_server_that_is_lost_and_found_has_a_line_for_each() -> None:
    """With the reason, and with how many tools it has."""
    assert [("info", 1), ("warning", "it broke"), ("info", 1)] == lines(
        status("connected"), status("waiting", "it broke"), status("connected")
    )


def test_a_server_that_stays_away_is_told_once_for_each_reason() -> None:
    """It is tried again every minute for as long as it is away."""
    down, late = status("waiting", "refused"), status("waiting", "late")
    assert [("warning", "refused"), ("warning", "late")] == lines(down, down, late, late)


def test_what_does_not_fit_a_server_is_told_when_it_changes() -> None:
    """A misspelt `deny` lets agents have what it was meant to keep from them."""
    wrong = ("deny 'dro' fits no tool",)
    fits, unfit = status("connected"), status("connected", left_out=wrong)
    assert [("info", 1), ("warning", wrong), ("warning", wrong)] == lines(unfit, unfit, fits, unfit)
