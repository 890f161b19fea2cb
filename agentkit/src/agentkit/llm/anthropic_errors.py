"""The Anthropic SDK's exceptions, and its transport's, translated into ours where they enter."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    import anthropic

_STATUSES: dict[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status each type of error comes with; inside a stream the status was sent before: 200."""


def translate(error: Exception, provider: str, base_url: str, secret: str) -> AgentError:
    """Our error for one the SDK raised, saying what to do next; `secret` is kept out of it."""
    import anthropic
    import httpx2

    large = too_large(error, provider)
    if large is not None:
        return large
    if isinstance(error, anthropic.APITimeoutError | httpx2.TimeoutException):
        return too_slow(provider)
    if isinstance(error, anthropic.APIStatusError):
        return _of_status(error, provider, secret)
    if isinstance(error, anthropic.APIConnectionError | httpx2.HTTPError):
        return unreachable(provider, base_url)
    return ModelMisbehaved(
        f"{provider} answered with something that is not a message: check that base_url "
        f"({base_url}) is the root of Anthropic's API, without /v1."
    )


def _of_status(error: anthropic.APIStatusError, provider: str, secret: str) -> AgentError:
    status = error.status_code
    if status < 300:
        status = _STATUSES.get(str(error.type or ""), 500)
    # The SDK's own text is the whole body in Python's notation.
    said = quoted(str(error.api_message or error.message), secret)
    failure = HttpFailure(provider, status, said, retry_after_s(error.response.headers))
    if "credit balance" in said:
        return failure.no_credit()
    if "prompt is too long" in said or "exceed context limit" in said:
        return failure.translated(failure.too_long())
    return failure.translated()
