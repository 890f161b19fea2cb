"""Which model a task gets, and that a worker holds no more clients than it has providers."""

import asyncio
import subprocess
import sys
from pathlib import Path
from threading import get_ident

import pytest
from structlog.testing import capture_logs

from agentkit import AnthropicClient, GoogleClient, LocalLlm, OpenAiClient, OpenRouterClient
from agentkit.llm.port import ModelSettings
from agentkit.llm.provider import ProviderClient
from agentkit.messages import UserMessage
from ops_core.errors import TaskFailed
from opspawn.agents.providers import DEFAULT_MODELS, Choice, Providers, default_choice
from opspawn.settings import Settings
from support.model_server import KEY, ModelServer

BUILT_IN = "smollm2-135m-instruct"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for key in ("OPENAI", "ANTHROPIC", "GOOGLE", "GEMINI", "OPENROUTER"):
        monkeypatch.delenv(f"{key}_API_KEY", raising=False)
        monkeypatch.delenv(f"{key}_BASE_URL", raising=False)
    for key in ("AGENTKIT_LLM_PROVIDER", "AGENTKIT_LLM_MODEL", "OPSPAWN_LOCAL_MODEL_PATH"):
        monkeypatch.delenv(key, raising=False)


def made(**settings: object) -> Providers:
    return Providers(Settings(**settings))  # type: ignore[arg-type]  # validated like the environment


def test_two_hundred_models_share_the_connections_of_their_provider() -> None:
    """A name that a client sends leaves nothing behind, and each run asks for its own."""
    providers = made(openai_api_key=KEY)
    clients = [providers.client("openai", f"model-{i}") for i in range(200)]
    assert all(isinstance(client, OpenAiClient) for client in clients)
    assert [f"model-{i}" for i in range(200)] == [client.model for client in clients]
    assert 1 == len({id(client._sdk) for client in clients})  # type: ignore[attr-defined]
    assert 1 == len(providers._remotes)


async def test_an_sdk_is_imported_beside_the_event_loop() -> None:
    """A worker that claims tasks does not stop its heartbeat for the second that an import takes."""
    threads: list[int] = []

    class Watched(Providers):
        def _remote(self, provider: str) -> ProviderClient:
            threads.append(get_ident())
            return super()._remote(provider)

    providers = Watched(Settings(openai_api_key=KEY))
    await asyncio.gather(*(providers.prepare(["openai", None, "local"]) for _ in range(3)))
    assert threads
    assert get_ident() not in threads
    assert ["openai"] == [*providers._remotes]


async def test_what_keeps_a_client_from_being_made_is_told_to_its_task() -> None:
    """Preparing tells nobody: it is the task that asks for the client."""
    providers = made()
    await providers.prepare(["anthropic"])
    with pytest.raises(TaskFailed, match="set ANTHROPIC_API_KEY"):
        providers.client("anthropic", None)


async def test_each_run_asks_for_its_own_model() -> None:
    """The name that was asked for last does not become everybody's; a closed provider is closed for all."""
    with ModelServer().running() as server:
        providers = made(openai_api_key=KEY, openai_base_url=server.url)
        first, second = providers.client("openai", "one"), providers.client("openai", "two")
        replies = [
            await client.complete([UserMessage("What is 17 * 23?")], [], settings=ModelSettings())
            for client in (first, second)
        ]
        await providers.close()
    assert ["one", "two"] == [reply.model for reply in replies]
    assert first._sdk.is_closed()  # type: ignore[attr-defined]
    assert second._sdk.is_closed()  # type: ignore[attr-defined]


def test_providers_do_not_share_connections() -> None:
    """Each has its own address and key."""
    providers = made(openai_api_key=KEY, anthropic_api_key=KEY)
    one, two = providers.client("openai", None), providers.client("anthropic", None)
    assert one._sdk.base_url != two._sdk.base_url  # type: ignore[attr-defined]
    assert ["gpt-5.4-mini", "claude-haiku-5-5"] == [one.model, two.model]


@pytest.mark.parametrize(
    ("provider", "kind"),
    [
        ("openai", OpenAiClient),
        ("anthropic", AnthropicClient),
        ("google", GoogleClient),
        ("openrouter", OpenRouterClient),
    ],
)
def test_each_provider_has_its_own_client(provider: str, kind: type) -> None:
    """Each speaks its own dialect; the model is a word that a copy changes."""
    settings: dict[str, object] = {f"{provider}_api_key": KEY}
    providers = made(**settings)
    clients = [providers.client(provider, name) for name in ("one", None)]
    assert [kind, kind] == [type(client) for client in clients]
    assert ["one", DEFAULT_MODELS[provider]] == [client.model for client in clients]


@pytest.mark.parametrize(
    ("provider", "package"), [("anthropic", "anthropic"), ("google", "google.genai.types")]
)
def test_a_provider_without_its_sdk_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, provider: str, package: str
) -> None:
    """The task fails for good; the worker and its other providers go on."""
    monkeypatch.setitem(sys.modules, package, None)
    settings: dict[str, object] = {f"{provider}_api_key": KEY, "openai_api_key": KEY}
    providers = made(**settings)
    with pytest.raises(TaskFailed, match=rf"agentkit\[{provider}\]") as failed:
        providers.client(provider, None)
    assert ("provider_not_installed", False) == (failed.value.error_type, failed.value.retryable)
    assert isinstance(providers.client("openai", None), OpenAiClient)


def test_a_provider_without_a_key_is_told_with_its_setting() -> None:
    """The operator reads what to set."""
    with pytest.raises(TaskFailed, match="set ANTHROPIC_API_KEY") as failed:
        made(openai_api_key=KEY).client("anthropic", "any")
    assert "provider_not_configured" == failed.value.error_type


@pytest.mark.parametrize("provider", [None, "local"])
def test_the_local_model_is_held_once(provider: str | None) -> None:
    """Weights are loaded once, whether a task names the model or not."""
    providers = made(llm_provider="local")
    clients = [providers.client(provider, name) for name in (None, BUILT_IN, None)]
    assert isinstance(clients[0], LocalLlm)
    assert clients[0] is clients[1] is clients[2]


@pytest.mark.parametrize(
    ("settings", "works"),
    [
        ({}, BUILT_IN),
        ({"openai_api_key": KEY}, BUILT_IN),
        ({"local_model_path": "/models/qwen.gguf"}, "qwen"),
        (
            {"local_model_path": "/models/qwen.gguf", "openai_api_key": KEY, "llm_model": "o"},
            "qwen",
        ),
        ({"local_model_path": "/models/qwen.gguf", "llm_model": "our-own"}, "our-own"),
    ],
)
def test_the_local_provider_answers_to_one_name(settings: dict[str, object], works: str) -> None:
    """Another name is told which one works: it must not get the model that is there in silence."""
    providers = made(**settings)
    client = providers.client("local", works)
    assert client is providers.client("local", None)
    with pytest.raises(TaskFailed, match=f"runs {works} and nothing else") as failed:
        providers.client("local", "llama-70b")
    assert ("unknown_model", False) == (failed.value.error_type, failed.value.retryable)


def test_a_default_model_that_the_built_in_one_is_not_is_refused() -> None:
    """AGENTKIT_LLM_MODEL without a key or a file would be answered by a toy."""
    providers = made(llm_model="gpt-5.4")
    with pytest.raises(TaskFailed, match="AGENTKIT_LLM_MODEL"):
        providers.client(None, None)
    providers.check_default()  # the worker starts: its tasks tell


def test_a_default_provider_without_its_key_is_told_at_the_start() -> None:
    """In one line, with the remedy; it stops nothing, because tasks may name another."""
    with capture_logs() as logs:
        made(llm_provider="openai").check_default()
    [line] = logs
    assert ("warning", "openai") == (line["log_level"], line["provider"])
    assert "set OPENAI_API_KEY" in line["why"]


def test_a_worker_that_has_nothing_to_do_imports_no_sdk() -> None:
    """Of what an idle Opspawn holds, the SDK of its provider would be a seventh."""
    script = (
        "import sys\n"
        "from opspawn.worker import run_worker\n"
        "from opspawn.agents.providers import Providers\n"
        "from opspawn.settings import Settings\n"
        "Providers(Settings(_env_file=None, openai_api_key='k')).check_default()\n"
        "print(*{'openai', 'anthropic', 'aiohttp', 'google.genai'} & {*sys.modules})"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "" == found.stdout.strip()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, Choice("local", BUILT_IN)),
        ({"google_api_key": KEY}, Choice("google", "gemini-3.8-flash")),
        ({"google_api_key": KEY, "openai_api_key": KEY}, Choice("openai", "gpt-5.4-mini")),
        ({"google_api_key": KEY, "llm_model": "m"}, Choice("google", "m")),
        ({"google_api_key": KEY, "llm_provider": "local"}, Choice("local", BUILT_IN)),
        ({"local_model_path": "/models/qwen.gguf"}, Choice("local", "qwen")),
    ],
)
def test_the_default_choice(settings: dict[str, object], expected: Choice) -> None:
    """The provider of the settings, else the first with a key, else the local model."""
    assert expected == default_choice(Settings(**settings))  # type: ignore[arg-type]
