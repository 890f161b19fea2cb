"""The first key of a machine's own server, and what its log does not say."""

import json
import stat
from pathlib import Path

import httpx2
import pytest

from support.command import Start, output

pytestmark = pytest.mark.e2e


def status(url: str, key: str | None) -> int:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx2.get(f"{url}/api/v1/tasks/", headers=headers).status_code


def test_the_first_start_makes_a_key_that_commands_find(
    start: Start, environment: dict[str, str], data_dir: Path
) -> None:
    """Printed once, kept for its owner alone; no credential, good or bad, is in the log."""
    server = start("up", OPSPAWN_LOG_LEVEL="debug")
    server.wait_for("Try it:")
    kept = data_dir / "api-key"
    key = kept.read_text().strip()
    assert (1, 0o600) == (server.err.count(key), stat.S_IMODE(kept.stat().st_mode))
    assert [] == json.loads(output(start, "tasks", "list", "--json"))["tasks"]
    url = f"http://127.0.0.1:{environment['OPSPAWN_API_PORT']}"
    wrong = f"{key[:-4]}zzzz"
    assert [401, 200, 401] == [status(url, sent) for sent in (None, key, wrong)]
    denied = start("tasks", "list", OPSPAWN_API_KEY=wrong)
    assert 5 == denied.end()
    assert "Set OPSPAWN_API_KEY" in denied.err
    assert key[:-4] not in server.err.replace(key, "", 1) + denied.err
