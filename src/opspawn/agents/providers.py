"""Model clients by provider name, made when they are first needed and shared by all runs of a worker.

Anthropic and Google are reached through the OpenAI dialect that both offer; their native clients come with
the agent library's own work on providers.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from agentkit import LlmClient
from agentkit.errors import AgentError
from ops_core.errors import TaskFailed
from opspawn.settings import Settings, env_name

#: The model asked for when neither the task nor AGENTKIT_LLM_MODEL names one: each provider's small, current,
#: tool-calling model.
DEFAULT_MODELS: Final = {
    "openai": "gpt-5.4-mini",
    "anthropic": "claude-haiku-5-5",
    "google": "gemini-3.8-flash",
    "openrouter": "openrouter/auto",
    "local": "smollm2-135m-instruct",
}

#: Where each provider speaks the OpenAI dialect.
BASE_URLS: Final = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1",
    "google": "https://generativelanguage.googleapis.com/v1beta/openai",
    "openrouter": "https://openrouter.ai/api/v1",
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
    with_key = [name for name in BASE_URLS if getattr(settings, f"{name}_api_key") is not None]
    provider: str = settings.llm_provider or [*with_key, "local"][0]
    model = settings.llm_model or DEFAULT_MODELS[provider]
    if provider == "local" and settings.local_model_path and settings.llm_model is None:
        model = settings.local_model_path.stem
    return Choice(provider, model)


class Providers:
    """The model clients of one process. `client` raises `TaskFailed` for a provider without a key."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._default = default_choice(settings)
        self._clients: dict[Choice, LlmClient] = {}

    def client(self, provider: str | None, model: str | None) -> LlmClient:
        """The client for what a task asks for; what it leaves open is the default's."""
        name = provider or self._default.provider
        fallback = self._default.model if name == self._default.provider else DEFAULT_MODELS[name]
        choice = Choice(name, model or fallback)
        if choice not in self._clients:
            self._clients[choice] = self._local() if name == "local" else self._remote(choice)
        return self._clients[choice]

    def warm_up(self) -> None:
        """Makes the default client now: its SDK takes a second to import, and a worker that claims tasks
        must not stop its heartbeat for that. A missing key, or a model that is not installed, is left
        for the task that needs it.
        """
        with suppress(TaskFailed, AgentError):
            self.client(None, None)

    async def close(self) -> None:
        """Closes the clients' connections."""
        for client in self._clients.values():
            aclose = getattr(client, "aclose", None)
            if aclose is not None:
                await aclose()

    def _local(self) -> LlmClient:
        # Imported here: the runtime and its weights are an extra that a worker with keys does not need.
        from agentkit import LocalLlm

        return LocalLlm(self._settings.local_model_path)

    def _remote(self, choice: Choice) -> LlmClient:
        # Imported here: the SDK takes a second to import, and a local worker does not need it.
        from agentkit import OpenAiClient

        key_field = f"{choice.provider}_api_key"
        key = getattr(self._settings, key_field)
        if key is None:
            raise TaskFailed(
                "provider_not_configured",
                f"The worker has no key for {choice.provider}: set {env_name(key_field)} and start it again, "
                "or choose another llm_provider.",
            )
        base_url = getattr(self._settings, f"{choice.provider}_base_url")
        return OpenAiClient(
            choice.model,
            api_key=key.get_secret_value(),
            base_url=base_url or BASE_URLS[choice.provider],
            name=choice.provider,
        )
