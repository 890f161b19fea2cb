"""Model clients by provider name, made when they are first needed and shared by all runs of a worker."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from agentkit import LlmClient
from agentkit.errors import AgentError, UsageError
from ops_core.errors import TaskFailed
from opspawn.settings import Settings, env_name

if TYPE_CHECKING:
    from agentkit.llm.provider import ProviderClient

log = structlog.get_logger(__name__)

#: The model asked for when neither the task nor AGENTKIT_LLM_MODEL names one: each provider's small, current,
#: tool-calling model.
DEFAULT_MODELS: Final = {
    "openai": "gpt-5.4-mini",
    "anthropic": "claude-haiku-5-5",
    "google": "gemini-3.8-flash",
    "openrouter": "openrouter/auto",
    "local": "smollm2-135m-instruct",
}

#: Where each provider's own API begins.
BASE_URLS: Final = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "google": "https://generativelanguage.googleapis.com",
    "openrouter": "https://openrouter.ai/api/v1",
}

#: The package without which a provider cannot be asked.
SDKS: Final = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google.genai",
    "openrouter": "openai",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """The provider and model that a run uses when its task does not say."""

    provider: str
    model: str

    @property
    def is_toy(self) -> bool:
        """Whether this is the built-in demonstration model."""
        return self.provider == "local" and self.model == DEFAULT_MODELS["local"]


def default_choice(settings: Settings) -> Choice:
    """AGENTKIT_LLM_PROVIDER, or the first provider that has a key, or the local model."""
    provider = _default_provider(settings)
    if settings.llm_model is not None:
        return Choice(provider, settings.llm_model)
    return Choice(
        provider, local_model(settings) if provider == "local" else DEFAULT_MODELS[provider]
    )


def local_model(settings: Settings) -> str:
    """The one name that the local provider answers to.

    AGENTKIT_LLM_MODEL may name a file of the operator's own; it cannot make the built-in model another one.
    """
    if settings.local_model_path is None:
        return DEFAULT_MODELS["local"]
    named = settings.llm_model if _default_provider(settings) == "local" else None
    return named or settings.local_model_path.stem


def _default_provider(settings: Settings) -> str:
    with_key = [name for name in BASE_URLS if settings.key_for(name) is not None]
    return settings.llm_provider or [*with_key, "local"][0]


class ModelClients(Protocol):
    """Where an agent's model comes from."""

    def client(self, provider: str | None, model: str | None) -> LlmClient:
        """The client for what a task asks for. Raises `TaskFailed`."""
        ...

    async def prepare(self, providers: Iterable[str | None]) -> None:
        """Before `client` is asked for one of them: does what would hold up the event loop."""
        ...


class Providers:
    """The model clients of one process: one a provider, whatever models its tasks name.

    Clients send the models' names, so nothing is kept for a name: each would leave connections behind, or
    load the same weights once more.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._default = default_choice(settings)
        self._remotes: dict[str, ProviderClient] = {}
        self._local: LlmClient | None = None
        self._preparing = asyncio.Lock()

    def client(self, provider: str | None, model: str | None) -> LlmClient:
        """The client for what a task asks for; what it leaves open is the default's.

        Raises `TaskFailed` for a provider without a key or without its SDK, and for a local model that is
        not here.
        """
        name = provider or self._default.provider
        if name == "local":
            return self._local_client(model)
        fallback = self._default.model if name == self._default.provider else DEFAULT_MODELS[name]
        # A copy has the same connections; the model is only a word in each of its requests.
        client = copy(self._remote(name))
        client.model = model or fallback
        return client

    async def prepare(self, providers: Iterable[str | None]) -> None:
        """Makes their clients, on a thread: an SDK takes a second to import, for which no heartbeat may wait.

        Not before a task asks for one: a worker that has nothing to do has no use for its 20 MB.
        """
        for name in {provider or self._default.provider for provider in providers}:
            if name in self._remotes or name == "local":
                continue
            async with self._preparing:  # whoever comes meanwhile waits for the same import
                with suppress(TaskFailed):  # told to the task that asks for it
                    await asyncio.to_thread(self._remote, name)

    def check_default(self) -> None:
        """A missing key or SDK, or a model that is not installed, is told, and stops nothing: tasks may
        name another provider.
        """
        name = self._default.provider
        try:
            if name == "local":
                self._local_client(None)
            elif is_installed(SDKS[name]):
                self._key(name)
            else:
                self._remote(name)  # which says what to install
        except (TaskFailed, AgentError) as error:
            log.warning(
                "the default model cannot be asked: tasks that name no other provider will fail",
                provider=name,
                why=error.message,
            )

    async def close(self) -> None:
        """Closes the clients' connections."""
        for client in self._remotes.values():
            await client.aclose()

    def _local_client(self, model: str | None) -> LlmClient:
        here = local_model(self._settings)
        wanted = model or (self._default.model if self._default.provider == "local" else here)
        if wanted != here:
            raise TaskFailed(
                "unknown_model",
                f"The local provider of this worker runs {here} and nothing else: leave llm_model "
                "(and AGENTKIT_LLM_MODEL) out or give that name, or choose another llm_provider.",
            )
        if self._local is None:
            # Imported here: the runtime and its weights are an extra that a worker with keys does not need.
            from agentkit import LocalLlm

            self._local = LocalLlm(self._settings.local_model_path)
        return self._local

    def _remote(self, provider: str) -> "ProviderClient":
        if provider not in self._remotes:
            base_url = self._settings.base_url_for(provider) or BASE_URLS[provider]
            key = self._key(provider)
            try:
                self._remotes[provider] = _MAKERS[provider](DEFAULT_MODELS[provider], key, base_url)
            except UsageError as error:
                raise TaskFailed(
                    "provider_not_installed",
                    f"The worker cannot ask {provider}. {error.message} Start it again then, or choose "
                    "another llm_provider; opspawn[all] has all of them.",
                ) from error
        return self._remotes[provider]

    def _key(self, provider: str) -> str:
        key = self._settings.key_for(provider)
        if key is None:
            name = env_name(f"{provider}_api_key")
            raise TaskFailed(
                "provider_not_configured",
                f"The worker has no key for {provider}: set {name} and start it again, "
                "or choose another llm_provider.",
            )
        return key.get_secret_value()


def is_installed(package: str) -> bool:
    """Found without importing it."""
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # of `google.genai`, not even `google` is there
        return False


# Imported when the first client is made: each SDK takes a second, and a worker needs those it uses.
# The names are given, because the provider's prices hold behind a gateway, too.
def _openai(model: str, key: str, base_url: str) -> "ProviderClient":
    from agentkit import OpenAiClient

    return OpenAiClient(model, key, base_url, "openai")


def _anthropic(model: str, key: str, base_url: str) -> "ProviderClient":
    from agentkit import AnthropicClient

    return AnthropicClient(model, key, base_url, "anthropic")


def _google(model: str, key: str, base_url: str) -> "ProviderClient":
    from agentkit import GoogleClient

    return GoogleClient(model, key, base_url, "google")


def _openrouter(model: str, key: str, base_url: str) -> "ProviderClient":
    from agentkit import OpenRouterClient

    return OpenRouterClient(model, key, base_url)


_MAKERS: Final[dict[str, Callable[[str, str, str], "ProviderClient"]]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "google": _google,
    "openrouter": _openrouter,
}
