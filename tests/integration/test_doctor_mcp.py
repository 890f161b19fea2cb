"""The doctor on MCP servers: which answer, and what to do about the others."""

import json
import sys
from pathlib import Path

import pytest

from opspawn.doctor import examine
from opspawn.doctor.check_error import CheckError
from opspawn.doctor.mcp import mcp_servers
from support.mcp_servers import time_server

GOOD = time_server()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "servers.yaml"


def write(file: Path, **servers: object) -> None:
    good = {"command": GOOD.command, "args": list(GOOD.args)}
    file.write_text(json.dumps({"servers": {"time": good, **servers}}))


def test_a_server_that_answers_is_told_with_its_tools(file: Path) -> None:
    """As a worker would start it."""
    write(file)
    assert "time (2 tools)" == mcp_servers(file)


def test_a_server_that_does_not_answer_is_told_beside_the_others(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, without a secret, with the place to correct it."""
    monkeypatch.setenv("KEY", "hunter2-hunter2")
    last_words = "import os; raise SystemExit('no licence ' + os.environ['KEY'])"
    bad = {"command": sys.executable, "args": ["-c", last_words], "env": {"KEY": "${KEY}"}}
    write(file, bad=bad)
    with pytest.raises(CheckError) as error:
        mcp_servers(file)
    words = str(error.value)
    assert words.startswith("time (2 tools); bad does not answer (")
    assert words.endswith(f"no licence [secret]); correct {file}, or disable it there")
    assert (1, False) == (len(words.splitlines()), "hunter2" in words)


def test_a_deny_that_fits_no_tool_is_told(file: Path) -> None:
    """Misspelt, it keeps nothing from agents."""
    good = {"command": GOOD.command, "args": list(GOOD.args)}
    write(file, time={**good, "tools": {"deny": ["get_curent_time"]}})
    assert "time (2 tools, but deny 'get_curent_time' fits no tool)" == mcp_servers(file)


def test_mistakes_in_the_file_are_one_line(file: Path) -> None:
    """However many."""
    write(file, a={"comand": "x"}, b={"command": "${NOT_SET_ANYWHERE}"})
    with pytest.raises(CheckError, match=r"NOT_SET_ANYWHERE is not set; .*comand") as error:
        mcp_servers(file)
    assert 1 == len(str(error.value).splitlines())


def test_the_finding_is_there_for_who_has_servers(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And only then: everybody else need not read about it."""
    monkeypatch.chdir(file.parent)
    write(file, time={"enabled": False, "command": "x"})
    assert "MCP" not in [finding.what for finding in examine()]
    monkeypatch.setenv("OPSPAWN_MCP_SERVERS", str(file))
    [finding] = [finding for finding in examine() if finding.what == "MCP"]
    assert (True, f"none is enabled in {file}") == (finding.ok, finding.words)
