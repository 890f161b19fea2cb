"""The OpenAI SDK's exceptions, translated into ours at the edge where they enter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentkit.errors import AgentError, ModelMisbehaved
from agentkit.llm.failures import HttpFailure, quoted, retry_after_s, too_slow, unreachable

if TYPE_CHECKING:
    import openai


def translate(error: Exception, provider: str, base_url: str, secret: str) -> AgentError:
    """Our error for one the SDK raised, saying what to do next; `secret` is kept out of it."""
    import openai

    if isinstance(error, openai.APITimeoutError | TimeoutError):
        return too_slow(provider)
    if isinstance(error, openai.APIStatusError):
        return _of_status(error, provider, secret)
    if isinstance(error, openai.APIConnectionError):
        return unreachable(provider, base_url)
    return ModelMisbehaved(
        f"{provider} answered with something that is not a chat completion: check that base_url "
        f"({base_url}) is the root of an OpenAI-compatible API, usually ending in /v1."
    )


def _of_status(error: openai.APIStatusError, provider: str, secret: str) -> AgentError:
    said = quoted(error.message, secret)
    retry_after = retry_after_s(error.response.headers)
    failure = HttpFailure(provider, error.status_code, said, retry_after)
    code = str(error.code or error.type or "")
    if "insufficient_quota" in code:
        return failure.no_credit()
    if "context_length" in code or "context length" in said:
        return failure.translated(failure.too_long())
    if "content_policy" in code or "content_filter" in code:
        return failure.translated(failure.refused())
    return failure.translated()
