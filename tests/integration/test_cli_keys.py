"""`opspawn keys` on a database of its own, and doors that do not open without a lock."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from opspawn import cli, key_file

pytestmark = pytest.mark.integration

Opspawn = Callable[..., str]

AWAY = "postgresql://u@127.0.0.1:1/x"


@pytest.fixture
def opspawn(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    database_url: str,
    capsys: pytest.CaptureFixture[str],
) -> Opspawn:
    """Runs a command in this process; returns what it prints, or fails."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)

    def run(*arguments: str, code: int = 0) -> str:
        assert code == cli.run(list(arguments))
        printed = capsys.readouterr()
        return printed.err if code else printed.out

    return run


def test_a_key_is_made_listed_rotated_and_revoked(opspawn: Opspawn) -> None:
    """The secret alone is on standard output, so that a script can keep it; a list has none."""
    made = opspawn("keys", "create", "ci", "--scope", "tasks:read", "--days", "30").strip()
    key_id = f"key_{made.split('_')[1]}"
    told = json.loads(opspawn("keys", "rotate", key_id, "--grace", "60", "--json"))
    assert (key_id, True) == (told["api_key"]["key_id"], told["secret"] != made)
    assert "is revoked" in opspawn("keys", "revoke", key_id)
    [listed] = json.loads(opspawn("keys", "list", "--json"))["api_keys"]
    assert ("ci", ["tasks:read"], "opspawn keys") == (
        listed["name"],
        listed["scopes"],
        listed["created_by"],
    )
    assert listed["revoked_at"]
    table = opspawn("keys", "list")
    assert key_id in table
    assert made.split("_", 2)[2] not in table


def test_what_is_refused_is_told_in_a_line(opspawn: Opspawn) -> None:
    """A scope, a key and a tenant that there are not."""
    assert "Input should be 'tasks:read'" in opspawn("keys", "create", "x", "--scope", "y", code=5)
    assert "no API key 'key_1'" in opspawn("keys", "revoke", "key_1", code=5)
    assert "no tenant 'acme'" in opspawn("keys", "create", "x", "--tenant", "acme", code=5)


def test_without_a_database_there_are_no_keys(
    opspawn: Opspawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place is named."""
    monkeypatch.setenv("DATABASE_URL", AWAY)
    assert "DATABASE_URL" in opspawn("keys", "list", code=69)
    monkeypatch.delenv("DATABASE_URL")
    assert "start `opspawn up`" in opspawn("keys", "list", code=69)


@pytest.mark.parametrize("command", ["up", "api", "grpc", "demo"])
def test_a_door_without_a_lock_is_not_opened_to_others(
    opspawn: Opspawn, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Exit code 64, and one line that names both settings, before anything is started."""
    for key, value in {
        "DATABASE_URL": AWAY,
        "RABBITMQ_URL": "amqp://127.0.0.1:1/",
        "OPSPAWN_AUTH": "none",
        "OPSPAWN_HOST": "192.0.2.1",
    }.items():
        monkeypatch.setenv(key, value)
    [line] = opspawn(command, code=64).splitlines()
    assert "OPSPAWN_HOST" in line
    assert "OPSPAWN_AUTH" in line


def test_the_kept_key_goes_to_servers_on_this_machine_only(
    opspawn: Opspawn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another server gets the key of OPSPAWN_API_KEY or none."""
    from opspawn.cli.configuration import api_key

    kept = f"osk_0123456789abcdef_{'k' * 43}"
    key_file.write(tmp_path / ".opspawn/api-key", kept)
    assert kept == api_key("http://127.0.0.1:8000")
    assert api_key("https://opspawn.example") is None
    monkeypatch.setenv("OPSPAWN_API_KEY", "mine")
    assert ["mine"] * 2 == [api_key(url) for url in ("http://[::1]:1", "https://x.example")]
