"""Checks the long-term memory of agents: its parts are installed, its server answers, its folder is free."""

from typing import Final

import httpx2

from opspawn.agents.checks import of_memory
from opspawn.agents.memory import is_open
from opspawn.doctor.check_error import CheckError
from opspawn.settings import Settings

TIMEOUT_S: Final = 2.5


def long_term_memory(settings: Settings) -> str:
    """Off, or where it is and which vectors it has."""
    if settings.ltm_provider == "none":
        return "off (AGENTKIT_LTM_PROVIDER=chroma gives agents one)"
    wrong = list(of_memory(settings))
    if wrong:
        raise CheckError("; ".join(wrong))
    where = (
        _folder(settings) if settings.memory_in_folder else _server(settings.ltm_chroma_url or "")
    )
    return f"{where}, collection {settings.ltm_chroma_collection}, embedder {settings.ltm_embedder}"


def _server(url: str) -> str:
    try:
        status = httpx2.get(f"{url.rstrip('/')}/api/v2/heartbeat", timeout=TIMEOUT_S).status_code
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise CheckError(
            f"no Chroma answers at {url} ({type(error).__name__}); start it (`chroma run`), or correct "
            "AGENTKIT_LTM_CHROMA_URL"
        ) from None
    if status != 200:
        raise CheckError(
            f"what answers at {url} is no Chroma (HTTP {status}); correct AGENTKIT_LTM_CHROMA_URL"
        )
    return f"Chroma at {url}"


def _folder(settings: Settings) -> str:
    path = settings.ltm_chroma_path
    # What separate processes have in common and `opspawn up` needs only as a choice.
    if settings.database_url is not None and settings.rabbitmq_url is not None:
        raise CheckError(
            f"a folder ({path}) serves `opspawn up` alone and separate workers refuse to start; run "
            "`chroma run` and set AGENTKIT_LTM_CHROMA_URL"
        )
    return f"Chroma in {path}" + (", open in a running process" if is_open(path) else "")
