"""What goes wrong with a chat completion, translated into ours at the edge where it enters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentkit.errors import AgentError, BadRequest, ModelMisbehaved, ProviderUnavailable
from agentkit.llm.failures import (
    HttpFailure,
    quoted,
    retry_after_s,
    too_large,
    too_slow,
    unreachable,
)

if TYPE_CHECKING:
    import openai

_SETTINGS = {
    **{name: name for name in ("temperature", "top_p", "seed", "max_tokens", "reasoning_effort")},
    **{name: name for name in ("tool_choice", "parallel_tool_calls")},
    "max_completion_tokens": "max_tokens",
}
"""The request's names of our settings. Not `stop`: it is a word that every message may have."""

_WORD = re.compile(r"\w+")

_STATUSES = {
    "authentication_error": 401,
    "context_length_exceeded": 400,
    "insufficient_quota": 402,
    "invalid_api_key": 401,
    "invalid_request_error": 400,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
}
"""The status that an error would have had if it had come before the answer began."""


@dataclass(frozen=True, slots=True)
class Server:
    """Who is asked, as errors speak of it; `secret` is kept out of them."""

    provider: str
    base_url: str
    secret: str


def translate(error: Exception, server: Server) -> AgentError:
    """Our error for one the SDK raised, saying what to do next."""
    import httpx2
    import openai

    large = too_large(error, server.provider)
    if large is not None:
        return large
    if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException | TimeoutError):
        return too_slow(server.provider)
    if isinstance(error, openai.APIStatusError):
        return _of_status(error, server)
    if isinstance(error, openai.APIConnectionError | httpx2.TransportError):
        return unreachable(server.provider, server.base_url)
    # In the middle of a stream: what the SDK found there, or what is none of its chunks.
    if isinstance(error, openai.APIError) and isinstance(error.body, dict):
        return of_body(error.body, server)
    return ModelMisbehaved(
        f"{server.provider} answered with something that is not a chat completion: check that "
        f"base_url ({server.base_url}) is the root of an OpenAI-compatible API, usually ending in "
        "/v1."
    )


def of_body(body: dict[str, Any], server: Server) -> AgentError:
    """Our error for one that a server reports inside an answer it began with HTTP 200."""
    said = quoted(str(body), server.secret)
    code = str(body.get("code") or body.get("type") or "")
    status = int(code) if code.isdecimal() else _STATUSES.get(code, 0)
    if status in range(400, 500):
        return _of(HttpFailure(server.provider, status, said), code, body, None)
    return ProviderUnavailable(
        f"{server.provider} failed while it was answering: try again later. {said}"
    )


def _of_status(error: openai.APIStatusError, server: Server) -> AgentError:
    said = quoted(error.message, server.secret)
    retry_after = retry_after_s(error.response.headers)
    failure = HttpFailure(server.provider, error.status_code, said, retry_after)
    return _of(failure, str(error.code or error.type or ""), error.body, error.param)


def _of(failure: HttpFailure, code: str, body: object, parameter: str | None) -> AgentError:
    """What the code, or the words, say more exactly than the status does."""
    if "insufficient_quota" in code:
        return failure.no_credit()
    if _moderated(body):
        return failure.refused()
    if "context_length" in code or "context length" in failure.said:
        return failure.translated(failure.too_long())
    if "content_policy" in code or "content_filter" in code:
        return failure.translated(failure.refused())
    setting = _setting(failure, parameter)
    if setting is None:
        return failure.translated()
    return BadRequest(
        f"{failure.provider} rejected the setting {setting!r} (HTTP {failure.status}): leave "
        f"it out, or give a value that this model takes. {failure.said}"
    )


def _moderated(body: object) -> bool:
    """Whether OpenRouter says so: its refusals have the status of a wrong key."""
    metadata = body.get("metadata") if isinstance(body, dict) else None
    return isinstance(metadata, dict) and "flagged_input" in metadata


def _setting(failure: HttpFailure, parameter: str | None) -> str | None:
    """Which of our settings a request was rejected for; not every server says it apart."""
    if failure.status not in (400, 422):
        return None
    named = [parameter] if isinstance(parameter, str) else _WORD.findall(failure.said)
    return next((_SETTINGS[name] for name in named if name in _SETTINGS), None)
