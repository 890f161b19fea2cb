"""The Google SDK's exceptions, and its transport's, translated into ours where they enter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentkit.errors import AgentError, ModelMisbehaved
from agentkit.llm.failures import (
    HttpFailure,
    quoted,
    retry_after_s,
    too_large,
    too_slow,
    unreachable,
)

if TYPE_CHECKING:
    from google.genai import errors


def translate(error: Exception, provider: str, base_url: str, secret: str) -> AgentError:
    """Our error for one the SDK raised, saying what to do next; `secret` is kept out of it."""
    import httpx2
    from google.genai import errors

    large = too_large(error, provider)
    if large is not None:
        return large
    if isinstance(error, httpx2.TimeoutException):
        return too_slow(provider)
    if isinstance(error, errors.APIError):
        return _of_status(error, provider, secret)
    if isinstance(error, httpx2.HTTPError):
        return unreachable(provider, base_url)
    return ModelMisbehaved(
        f"{provider} answered with something that is not a Gemini response: check that base_url "
        f"({base_url}) is the root of the Gemini API, without v1beta."
    )


def _of_status(error: errors.APIError, provider: str, secret: str) -> AgentError:
    said = quoted(str(error.message or error.status or ""), secret)
    # An error inside a stream has no response of its own, and its code is what the body says.
    code: Any = error.code
    status = code if isinstance(code, int) else 500
    failure = HttpFailure(provider, status, said, _wait_s(error))
    if "API key not valid" in said or "API_KEY_INVALID" in str(error.details):
        return failure.unauthenticated()
    if "exceeds the maximum number of tokens" in said:
        return failure.translated(failure.too_long())
    return failure.translated()


def _wait_s(error: errors.APIError) -> float | None:
    """Retry-After, or the RetryInfo that this API puts into the body instead: `"11.5s"`."""
    waited = retry_after_s(getattr(error.response, "headers", None) or {})
    if waited is not None:
        return waited
    body: Any = error.details
    try:
        for detail in body["error"]["details"]:
            if "retryDelay" in detail:
                return max(0.0, float(detail["retryDelay"].removesuffix("s")))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return None
