"""What Chroma and its carriers raise, translated into our errors at the edge where they enter."""

from __future__ import annotations

from agentkit.errors import (
    AgentError,
    AuthenticationFailed,
    BadRequest,
    ProviderUnavailable,
    RateLimited,
)
from agentkit.quote import quote


def translate(error: Exception, place: str, collection: str) -> AgentError:
    """Our error, saying what to do next; one of ours passes as it is."""
    if isinstance(error, AgentError):
        return error
    from chromadb import errors  # imported here, as chromadb is

    said = quote(" ".join(str(error).split()))
    match error:
        case errors.ChromaAuthError() | errors.AuthorizationError():
            return AuthenticationFailed(
                f"Chroma at {place} refused us: check the token in its headers."
            )
        case errors.RateLimitError():
            return RateLimited(f"Chroma at {place} is limiting our rate: wait.")
        case errors.NotFoundError():
            return BadRequest(
                f"Collection {collection!r} of Chroma at {place} is gone: whoever deleted it has "
                "deleted what was remembered; start again to make a new one."
            )
        case errors.ChromaError() if not isinstance(error, errors.InternalError):
            return BadRequest(f"Chroma at {place} rejected the request. It said: {said}")
    return ProviderUnavailable(
        f"Chroma at {place} cannot be used ({type(error).__name__}): check the address, or the "
        f"folder, and that the server is running. It said: {said}"
    )
