"""The settings: what `.env.example` says is true, and what is wrong is named."""

import os
import re
from pathlib import Path

import pytest
from dotenv import dotenv_values

from opspawn.settings import Settings, SettingsError, env_name, env_names, load, unknown_keys

EXAMPLE = Path(__file__).resolve().parents[2] / ".env.example"
KEYS = {env_name(field) for field in Settings.model_fields}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of whoever runs the tests, no `.env` of the checkout."""
    monkeypatch.chdir(tmp_path)
    known = {key for field in Settings.model_fields for key in env_names(field)}
    for key in known | {key for key in os.environ if key.startswith(("OPSPAWN_", "AGENTKIT_"))}:
        monkeypatch.delenv(key, raising=False)


def documented() -> dict[str, str]:
    """The settings in `.env.example` with the defaults that it names; not what only compose reads."""
    ours, _, _ = EXAMPLE.read_text().partition("# --- docker compose only ")
    return dict(re.findall(r"^# ([A-Z][A-Z0-9_]*)=(.*)$", ours, re.MULTILINE))


def test_the_example_documents_exactly_the_settings() -> None:
    """Every setting is in `.env.example`, and nothing else is."""
    assert sorted(documented()) == sorted(KEYS)


def test_the_example_sets_nothing() -> None:
    """Copied as it is to `.env`, the example changes nothing."""
    assert dotenv_values(EXAMPLE) == {}


def test_the_documented_defaults_are_the_real_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every documented default written out, the settings are those without any."""
    expected = load()
    for key, value in documented().items():
        monkeypatch.setenv(key, value)
    assert load() == expected


def test_a_wrong_value_is_told_in_one_line_that_names_its_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each wrong key has its line, under the name that it is set by."""
    monkeypatch.setenv("OPSPAWN_API_PORT", "70000")
    monkeypatch.setenv("AGENTKIT_LLM_PROVIDER", "skynet")
    with pytest.raises(SettingsError) as caught:
        load()
    assert ["AGENTKIT_LLM_PROVIDER", "OPSPAWN_API_PORT"] == sorted(
        line.partition(":")[0] for line in str(caught.value).splitlines()
    )


def test_a_wrong_url_is_refused_without_repeating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The password inside a wrong DATABASE_URL stays out of the message."""
    monkeypatch.setenv("DATABASE_URL", "mysql://me:hunter2@host/name")
    with pytest.raises(SettingsError, match="DATABASE_URL: must look like postgresql://") as caught:
        load()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_every_spelling_of_a_postgresql_url_means_asyncpg(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bare `postgresql://` is accepted."""
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://u:p@h/n")
    url = load().database_url
    assert url is not None
    assert url.get_secret_value() == "postgresql+asyncpg://u:p@h/n"


def test_sslmode_is_said_in_the_drivers_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cloud's URL asks for TLS as libpq does; asyncpg calls it ssl."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@h/db?sslmode=require&x=1")
    url = load().database_url
    assert url is not None
    assert "postgresql+asyncpg://u:p@h/db?ssl=require&x=1" == url.get_secret_value()


def test_an_empty_value_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """`DATABASE_URL=` means the embedded database."""
    monkeypatch.setenv("DATABASE_URL", "")
    assert load().database_url is None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"OPSPAWN_API_PORT": "9000"}, "http://127.0.0.1:9000"),
        ({"OPSPAWN_HOST": "::"}, "http://[::1]:8000"),
        ({"OPSPAWN_HOST": "0.0.0.0"}, "http://127.0.0.1:8000"),  # noqa: S104  # a value, not bound
        ({"OPSPAWN_HOST": "::1"}, "http://[::1]:8000"),
        ({"OPSPAWN_URL": "https://ops.example", "OPSPAWN_API_PORT": "9"}, "https://ops.example"),
    ],
)
def test_the_command_line_finds_the_server_that_the_settings_start(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without OPSPAWN_URL the address follows the host and port."""
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    assert load().server_url == expected


def test_a_misspelt_key_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In the environment and in `.env`."""
    monkeypatch.setenv("OPSPAWN_API_PROT", "1")
    (tmp_path / ".env").write_text("AGENTKIT_LLM_PROVDER=local\nOPSPAWN_API_PORT=1\nOTHER=1\n")
    assert unknown_keys() == ["AGENTKIT_LLM_PROVDER", "OPSPAWN_API_PROT"]


def test_a_damaged_env_file_is_named(tmp_path: Path) -> None:
    """A `.env` that is no text is told, not a traceback."""
    (tmp_path / ".env").write_bytes(b"OPSPAWN_URL=\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"^\.env cannot be read"):
        load()
