"""The doctor: what it finds, how it says so, and what it never says."""

import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opspawn import migrate
from opspawn.doctor import PATIENCE_S, Finding, examine, providers
from support.agent_tools import MODULE
from support.embedded_folder import holder
from support.server_process import free_port

Examine = Callable[..., dict[str, Finding]]

ALL = [
    "python",
    "settings",
    "database",
    "migrations",
    "broker",
    "provider",
    "long-term memory",
    "memory",
    "entrance",
    "REST port",
    "gRPC port",
]


@pytest.fixture
def provider_url() -> Iterator[str]:
    """A provider that accepts one key."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Models) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


class _Models(http.server.BaseHTTPRequestHandler):
    """OpenAI's list of models, OpenRouter's page about the key, Anthropic's and Google's lists."""

    def do_GET(self) -> None:
        keys = {
            "/v1/models": self.headers["Authorization"],
            "/v1/key": self.headers["Authorization"],
            "/anthropic/v1/models": f"Bearer {self.headers['X-Api-Key']}",
            "/google/v1beta/models": f"Bearer {self.headers['X-Goog-Api-Key']}",
        }
        wrong = 400 if "google" in self.path else 401
        self.send_response(200 if keys.get(self.path) == "Bearer sk-right" else wrong)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing: the test's output is the test's."""


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, provider_url: str) -> Examine:
    """Examines a healthy embedded configuration, and changes to it."""
    healthy = {
        "DATABASE_URL": "",
        "RABBITMQ_URL": "",
        "OPSPAWN_DATA_DIR": str(tmp_path / "data"),
        "OPSPAWN_API_PORT": str(free_port()),
        "OPSPAWN_GRPC_PORT": str(free_port()),
        "AGENTKIT_LLM_PROVIDER": "openai",
        "OPENAI_API_KEY": "sk-right",
        "OPENAI_BASE_URL": provider_url,
    }
    monkeypatch.chdir(tmp_path)

    def doctor(**changes: str) -> dict[str, Finding]:
        for key, value in (healthy | changes).items():
            monkeypatch.setenv(key, value)
        return {finding.what: finding for finding in examine()}

    return doctor


def test_all_is_well_before_the_first_start(doctor: Examine, tmp_path: Path) -> None:
    """Nothing has to run for the embedded configuration to be right; looking makes nothing."""
    findings = doctor()
    assert ALL == list(findings)
    assert [] == [finding for finding in findings.values() if not finding.ok]
    assert [] == list(tmp_path.iterdir())


def test_a_running_embedded_database_is_asked(doctor: Examine, data_dir: Path) -> None:
    """Its server, and the migrations that it lacks."""
    with holder(data_dir) as (_process, url):
        before = doctor(OPSPAWN_DATA_DIR=str(data_dir))
        migrate.upgrade(url)
        after = doctor(OPSPAWN_DATA_DIR=str(data_dir))
    assert before["database"].ok
    assert "running" in before["database"].words
    assert (False, True) == (before["migrations"].ok, after["migrations"].ok)


def test_given_servers_are_connected_to(
    doctor: Examine, empty_database_url: str, rabbitmq_url: str
) -> None:
    """PostgreSQL, its migrations and RabbitMQ."""
    findings = doctor(DATABASE_URL=empty_database_url, RABBITMQ_URL=rabbitmq_url)
    assert (True, True) == (findings["database"].ok, findings["broker"].ok)
    assert not findings["migrations"].ok
    assert "run `opspawn migrate`" in findings["migrations"].words
    assert not findings["entrance"].ok
    migrate.upgrade(empty_database_url)
    after = doctor(DATABASE_URL=empty_database_url)
    assert (True, True) == (after["migrations"].ok, after["entrance"].ok)
    assert "opspawn keys create" in after["entrance"].words


PLACES = {"openrouter": "/v1", "anthropic": "/anthropic", "google": "/google"}


def asking(provider: str, provider_url: str, key: str) -> dict[str, str]:
    """The settings under which a provider is asked at our server."""
    return {
        "AGENTKIT_LLM_PROVIDER": provider,
        f"{provider.upper()}_API_KEY": key,
        f"{provider.upper()}_BASE_URL": provider_url.removesuffix("/v1") + PLACES[provider],
    }


@pytest.mark.parametrize("provider", PLACES)
def test_each_provider_is_asked_in_its_own_way(
    doctor: Examine, provider_url: str, provider: str
) -> None:
    """By its own page and header; what says that the key is wrong is understood."""
    right = doctor(**asking(provider, provider_url, "sk-right"))["provider"]
    assert (True, True) == (right.ok, right.words.endswith("key accepted"))
    wrong = doctor(**asking(provider, provider_url, "sk-hunter2"))["provider"]
    assert (False, True) == (wrong.ok, f"{provider.upper()}_API_KEY" in wrong.words)


def test_a_provider_without_its_sdk_is_told_what_to_install(
    doctor: Examine, provider_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a task fails for it."""
    monkeypatch.setattr(providers, "is_installed", lambda _: False)
    found = doctor(**asking("anthropic", provider_url, "sk-right"))["provider"]
    assert not found.ok
    assert "install opspawn[all]" in found.words


@pytest.mark.parametrize(
    ("what", "changes", "remedy"),
    [
        ("database", {"DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/x"}, "start PostgreSQL"),
        ("migrations", {"DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/x"}, "DATABASE_URL"),
        ("database", {"DATABASE_URL": "postgresql://u:hunter2@no.invalid/x"}, "DATABASE_URL"),
        ("broker", {"RABBITMQ_URL": "amqp://u:hunter2@127.0.0.1:1/"}, "correct RABBITMQ_URL"),
        ("provider", {"OPENAI_API_KEY": "sk-hunter2"}, "correct OPENAI_API_KEY"),
        ("provider", {"OPENAI_API_KEY": ""}, "set OPENAI_API_KEY"),
        ("provider", {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, "OPENAI_BASE_URL"),
        (
            "provider",
            {"AGENTKIT_LLM_PROVIDER": "local", "OPSPAWN_LOCAL_MODEL_PATH": "/no/model.gguf"},
            "OPSPAWN_LOCAL_MODEL_PATH",
        ),
        (
            "long-term memory",
            {"AGENTKIT_LTM_PROVIDER": "chroma", "AGENTKIT_LTM_CHROMA_URL": "http://127.0.0.1:1"},
            "chroma run",
        ),
        (
            "long-term memory",
            {
                "AGENTKIT_LTM_PROVIDER": "chroma",
                "DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/x",
                "RABBITMQ_URL": "amqp://u:hunter2@127.0.0.1:1/",
            },
            "set AGENTKIT_LTM_CHROMA_URL",
        ),
        (
            "long-term memory",
            {
                "AGENTKIT_LTM_PROVIDER": "chroma",
                "AGENTKIT_LTM_EMBEDDER": "openai",
                "OPENAI_API_KEY": "",
            },
            "set OPENAI_API_KEY",
        ),
        ("tools", {"OPSPAWN_TOOLS": "no_such_module:tools"}, "OPSPAWN_TOOLS: no_such_module:tools"),
        ("tools", {"OPSPAWN_WORKSPACES": "/etc/passwd"}, "OPSPAWN_WORKSPACES: /etc/passwd is no"),
        ("settings", {"OPSPAWN_API_PROT": "1"}, ".env.example"),
        ("database", {"OPSPAWN_DATA_DIR": "/proc/opspawn"}, "OPSPAWN_DATA_DIR"),
        ("entrance", {"OPSPAWN_HOST": "192.0.2.1", "OPSPAWN_AUTH": "none"}, "unset OPSPAWN_AUTH"),
        ("REST port", {"OPSPAWN_HOST": "192.0.2.1"}, "set OPSPAWN_HOST"),
    ],
)
def test_what_is_wrong_comes_with_its_remedy(
    doctor: Examine, what: str, changes: dict[str, str], remedy: str
) -> None:
    """One finding, one line, no secret."""
    findings = doctor(**changes)
    assert not findings[what].ok
    assert remedy in findings[what].words
    assert 1 == len(findings[what].words.splitlines())
    assert not [finding for finding in findings.values() if "hunter2" in finding.words]


def test_tools_of_the_operators_own_are_told(
    doctor: Examine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their names, as a worker would have them."""
    (tmp_path / "doctors_tools.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    finding = doctor(OPSPAWN_TOOLS="doctors_tools:tools", OPSPAWN_WORKSPACES="w")["tools"]
    assert (True, "die, look, pay; files of tasks in w") == (finding.ok, finding.words)


@pytest.mark.parametrize(
    ("what", "key"), [("REST port", "OPSPAWN_API_PORT"), ("gRPC port", "OPSPAWN_GRPC_PORT")]
)
def test_a_port_that_another_program_has_is_told(doctor: Examine, what: str, key: str) -> None:
    """With the setting that chooses another."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        finding = doctor(**{key: str(stranger.getsockname()[1])})[what]
    assert not finding.ok
    assert f"set {key}" in finding.words


def test_a_wrong_setting_is_a_finding(doctor: Examine) -> None:
    """One for each key; what needs no settings is still checked."""
    findings = doctor(OPSPAWN_WORKER_SLOTS="many")
    assert ["python", "memory", "settings"] == list(findings)
    assert "OPSPAWN_WORKER_SLOTS" in findings["settings"].words


def test_a_server_that_never_answers_does_not_hold_the_doctor(doctor: Examine) -> None:
    """Something accepts connections and says nothing: every check ends within its patience."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        started_s = time.monotonic()
        findings = doctor(
            DATABASE_URL=f"postgresql://u:p@127.0.0.1:{port}/x",
            RABBITMQ_URL=f"amqp://u:p@127.0.0.1:{port}/",
            OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1",
        )
        took_s = time.monotonic() - started_s
    for what in ("database", "migrations", "broker", "provider"):
        assert not findings[what].ok
    assert took_s < PATIENCE_S + 1
