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


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("DATABASE_URL", "postgresql://me:hunter2@host:port/name"),
        ("DATABASE_URL", "postgresql://me:hunter2@host:70000/name"),
        ("DATABASE_URL", "postgresql://me:p@hunter2@host:5432/name"),
        ("OPSPAWN_DATABASE_DIRECT_URL", "postgresql://me:hunter2@host:port/name"),
        ("RABBITMQ_URL", "amqp://me:hunter2@host:port/%2F"),
        ("RABBITMQ_URL", "amqp://me:hunter2@host:70000/%2F"),
        ("RABBITMQ_URL", "amqp://me:#hunter2@host:5672/%2F"),
        ("RABBITMQ_URL", "amqp://me:hunter2@host/%2F?heartbeat=often"),
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_repeating_it(
    key: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong port or an unescaped sign is told at the start, in one line that names the key."""
    monkeypatch.setenv(key, url)
    with pytest.raises(
        SettingsError, match=f"^{key}: must look like .*; write signs such as @"
    ) as caught:
        load()
    assert 1 == len(str(caught.value).splitlines())
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("provider", ["OPENAI", "ANTHROPIC", "GOOGLE", "OPENROUTER"])
@pytest.mark.parametrize(
    "url",
    ["localhost:8000/v1", "ftp://host", "https://", "http://host:many", "http://[::1/hunter2"],
)
def test_a_base_url_that_is_none_is_refused_without_repeating_it(
    provider: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each task would fail for it, and tell its client instead of the operator."""
    monkeypatch.setenv(f"{provider}_BASE_URL", url)
    with pytest.raises(SettingsError, match=f"^{provider}_BASE_URL: must look like ") as caught:
        load()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://host", "http://127.0.0.1:1234/v1", "http://[::1]:80/", "https://k@gw/a?b=c"]
)
def test_a_base_url_is_kept_as_it_is(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a gateway wants in it."""
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    assert url == load().openai_base_url


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("DATABASE_URL", "postgresql+asyncpg://me:p%40%3A%2F%23@host:5432/name"),
        ("DATABASE_URL", "postgresql+asyncpg:///name?host=/run/postgresql"),
        ("DATABASE_URL", "postgresql+asyncpg://me@[::1]:5432/name"),
        ("RABBITMQ_URL", "amqp://me:p%40%3A%2F%23@host:5672/%2F"),
        ("RABBITMQ_URL", "amqps://host"),
        ("RABBITMQ_URL", "amqp://host/%2F?heartbeat=30&blocked_connection_timeout=5"),
    ],
)
def test_a_url_with_less_or_more_in_it_is_kept(
    key: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Escaped signs, a socket's folder, an IPv6 address, the client's options."""
    monkeypatch.setenv(key, url)
    settings = load()
    kept = settings.database_url or settings.rabbitmq_url
    assert kept is not None
    assert url == kept.get_secret_value()


@pytest.mark.parametrize(
    "url", ["http://chroma:8000", "https://chroma.example", "http://[::1]:8000/", "http://10.0.0.1"]
)
def test_the_address_of_a_chroma(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server, and so no folder."""
    monkeypatch.setenv("AGENTKIT_LTM_PROVIDER", "chroma")
    assert load().memory_in_folder
    monkeypatch.setenv("AGENTKIT_LTM_CHROMA_URL", url)
    assert (url, False) == (load().ltm_chroma_url, load().memory_in_folder)


@pytest.mark.parametrize(
    "url",
    ["chroma:8000", "ftp://chroma", "http://", "http://me:hunter2@chroma", "http://c/x?hunter2"],
)
def test_what_is_no_address_of_a_chroma(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that names the key, and repeats nothing."""
    monkeypatch.setenv("AGENTKIT_LTM_CHROMA_URL", url)
    with pytest.raises(SettingsError, match=r"^AGENTKIT_LTM_CHROMA_URL: must look like") as caught:
        load()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["ab", "-abc", "a/b", "a" * 129])
def test_what_is_no_name_of_a_collection(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found at the start, and not by the first task that remembers."""
    monkeypatch.setenv("AGENTKIT_LTM_CHROMA_COLLECTION", name)
    with pytest.raises(SettingsError, match=r"^AGENTKIT_LTM_CHROMA_COLLECTION: must be 3 to 128"):
        load()


@pytest.mark.parametrize("names", [",", " , ,", " "])
def test_a_worker_without_a_queue_is_refused(names: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be up and never do anything."""
    monkeypatch.setenv("OPSPAWN_WORKER_QUEUES", names)
    with pytest.raises(SettingsError, match=r"^OPSPAWN_WORKER_QUEUES: must name a queue"):
        load()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (
            {"OPSPAWN_HEARTBEAT_TTL_S": "0.8"},
            ["OPSPAWN_HEARTBEAT_TTL_S: must be at least 3 times OPSPAWN_HEARTBEAT_S"],
        ),
        (
            {"OPSPAWN_RECONNECT_GRACE_S": "0.4"},
            ["OPSPAWN_RECONNECT_GRACE_S: must be at least 1.5 times OPSPAWN_HEARTBEAT_S"],
        ),
        (
            {"OPSPAWN_RING_GRACE_S": "301"},
            ["OPSPAWN_RING_GRACE_MAX_S: must be at least OPSPAWN_RING_GRACE_S"],
        ),
        (
            {"OPSPAWN_DISPATCH_BUSY_S": "0.3"},
            ["OPSPAWN_DISPATCH_IDLE_S: must be at least OPSPAWN_DISPATCH_BUSY_S"],
        ),
        (
            {"OPSPAWN_HEARTBEAT_S": "5"},
            [
                "OPSPAWN_HEARTBEAT_TTL_S: must be at least 3 times OPSPAWN_HEARTBEAT_S",
                "OPSPAWN_RECONNECT_GRACE_S: must be at least 1.5 times OPSPAWN_HEARTBEAT_S",
            ],
        ),
    ],
)
def test_durations_that_contradict_each_other_are_refused(
    environment: dict[str, str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line names both keys and ends with their values."""
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(SettingsError) as caught:
        load()
    assert expected == [line.partition(" (")[0] for line in str(caught.value).splitlines()]


def test_durations_at_their_limit_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly so many times is enough, whatever binary fractions make of it."""
    limits = {"HEARTBEAT_S": "0.4", "HEARTBEAT_TTL_S": "1.2", "RECONNECT_GRACE_S": "0.6"}
    equals = dict.fromkeys(("RING_GRACE_S", "RING_GRACE_MAX_S"), "0.3")
    for key, value in (limits | equals).items():
        monkeypatch.setenv(f"OPSPAWN_{key}", value)
    assert 0.6 == load().reconnect_grace_s


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


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("OPSPAWN_LINK_SECRET", "hunter2", "at least 32 characters"),
        ("OPSPAWN_PUBLIC_URL", "opspawn.example.org", "must look like https://"),
        ("OPSPAWN_PUBLIC_URL", "https://u:p@example.org", "must look like https://"),
        ("OPSPAWN_ANSWER_WITHIN_S", "0", "greater than 0"),
    ],
)
def test_what_links_and_answers_need_is_checked_at_the_start(
    monkeypatch: pytest.MonkeyPatch, key: str, value: str, said: str
) -> None:
    """A weak secret is refused, and not repeated."""
    monkeypatch.setenv(key, value)
    with pytest.raises(SettingsError) as caught:
        load()
    assert (True, True, False) == (
        key in str(caught.value),
        said in str(caught.value),
        "hunter2" in str(caught.value),
    )


def test_tokens_need_all_that_makes_them_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """An issuer without its keys, or without an audience, would let in nobody or anybody."""
    monkeypatch.setenv("OPSPAWN_JWT_ISSUER", "https://id.example")
    with pytest.raises(SettingsError) as caught:
        load()
    assert ["OPSPAWN_JWT_AUDIENCE", "OPSPAWN_JWT_KEYS"] == [
        line.partition(":")[0] for line in str(caught.value).splitlines()
    ]


@pytest.mark.parametrize("names", ["HS256", "none", "RS256,HS512", ","])
def test_a_signature_that_others_can_make_is_refused(
    monkeypatch: pytest.MonkeyPatch, names: str
) -> None:
    monkeypatch.setenv("OPSPAWN_JWT_ALGORITHMS", names)
    with pytest.raises(SettingsError, match="OPSPAWN_JWT_ALGORITHMS: must be some of RS256"):
        load()
