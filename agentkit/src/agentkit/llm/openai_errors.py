"""The OpenAI SDK's exceptions, translated into ours at the edge where they enter."""

from __future__ import annotations

from contextlib import suppress
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING

from agentkit.errors import (
    AgentError,
    AuthenticationFailed,
    BadRequest,
    ContextTooLong,
    ModelMisbehaved,
    ProviderUnavailable,
    RateLimited,
    Refused,
)

if TYPE_CHECKING:
    import openai

LONGEST_QUOTE = 300
"""Characters of a provider's own words that an error repeats; an HTML page explains nothing."""


def translate(error: Exception, provider: str, base_url: str, secret: str) -> AgentError:
    """Our error for one the SDK raised, saying what to do next; `secret` is kept out of it."""
    import openai

    if isinstance(error, openai.APITimeoutError | TimeoutError):
        return ProviderUnavailable(
            f"{provider} did not answer in time: try again, or raise timeout_s."
        )
    if isinstance(error, openai.APIStatusError):
        return _of_status(error, provider, _quote(error, secret))
    if isinstance(error, openai.APIConnectionError):
        return ProviderUnavailable(
            f"Cannot reach {provider} at {base_url}: check the address, the network and that the "
            "server is running."
        )
    return ModelMisbehaved(
        f"{provider} answered with something that is not a chat completion: check that base_url "
        f"({base_url}) is the root of an OpenAI-compatible API, usually ending in /v1."
    )


def _of_status(error: openai.APIStatusError, provider: str, said: str) -> AgentError:
    status, code = error.status_code, str(error.code or error.type or "")
    about_account = _about_account(error, provider, said)
    if about_account is not None:
        return about_account
    if "context_length" in code or status == 413 or "context length" in said:
        return ContextTooLong(
            f"The conversation is too long for the model: use a smaller memory. {said}"
        )
    if "content_policy" in code or "content_filter" in code:
        return Refused(f"{provider}'s policy refused the request: change the goal. {said}")
    if status >= 500 or status in (408, 409):
        return ProviderUnavailable(
            f"{provider} failed (HTTP {status}): try again later. {said}",
            retry_after_s=retry_after_s(error),
        )
    return BadRequest(
        f"{provider} rejected the request (HTTP {status}): check the model's name and settings. "
        f"{said}"
    )


def _about_account(error: openai.APIStatusError, provider: str, said: str) -> AgentError | None:
    """What is wrong with the key, its credit or its rate; None when that is not the matter."""
    status, code = error.status_code, str(error.code or error.type or "")
    if status in (401, 403):
        # What the provider said is left out: it repeats parts of the key.
        return AuthenticationFailed(
            f"{provider} refused the API key (HTTP {status}): check that it is set, current and "
            "allowed to use this model."
        )
    if status == 402 or "insufficient_quota" in code:
        return RateLimited(
            f"{provider} says the account has no credit left: top it up. {said}", retryable=False
        )
    if status == 429:
        return RateLimited(
            f"{provider} is limiting this key's rate: wait, or ask for a higher limit. {said}",
            retry_after_s=retry_after_s(error),
        )
    return None


def _quote(error: openai.APIStatusError, secret: str) -> str:
    said = " ".join(error.message.split())
    if secret:
        said = said.replace(secret, "[key]")
    return f"It said: {said[:LONGEST_QUOTE]}"


def retry_after_s(error: openai.APIStatusError) -> float | None:
    """The Retry-After header in seconds, whether it holds seconds or a date; None without one."""
    value = error.response.headers.get("retry-after", "")
    with suppress(ValueError):
        return max(0.0, float(value))
    with suppress(ValueError):
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    return None
