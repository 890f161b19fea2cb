"""An HTTP error of any provider, translated into ours: the part that is the same for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from urllib.parse import urlsplit, urlunsplit

from agentkit.errors import (
    AgentError,
    AnswerTooLarge,
    AuthenticationFailed,
    BadRequest,
    ContextTooLong,
    ProviderUnavailable,
    RateLimited,
    Refused,
)

LONGEST_QUOTE = 300
"""Characters of a provider's own words that an error repeats; an HTML page explains nothing."""


@dataclass(frozen=True, slots=True)
class HttpFailure:
    """What a provider answered instead of a reply; `said` is quoted, without the key."""

    provider: str
    status: int
    said: str
    retry_after_s: float | None = None

    def translated(self, told: AgentError | None = None) -> AgentError:
        """Our error for the status, or what the provider's own code `told`.

        Neither when the matter is the key, its credit or its rate: that comes first.
        """
        error = self._about_account() or told
        if error is not None:
            return error
        if self.status == 413:
            return self.too_long()
        if self.status >= 500 or self.status in (408, 409):
            return ProviderUnavailable(
                f"{self.provider} failed (HTTP {self.status}): try again later. {self.said}",
                retry_after_s=self.retry_after_s,
            )
        if self.status in range(300, 400):
            return BadRequest(
                f"{self.provider} redirects to another address (HTTP {self.status}), and no key is "
                "sent after it: if you trust that address, give it as base_url."
            )
        return BadRequest(
            f"{self.provider} rejected the request (HTTP {self.status}): check the model's name "
            f"and settings. {self.said}"
        )

    def too_long(self) -> ContextTooLong:
        """The conversation does not fit."""
        return ContextTooLong(
            f"The conversation is too long for the model: use a smaller memory. {self.said}"
        )

    def no_credit(self) -> RateLimited:
        """Waiting does not help: somebody has to pay."""
        return RateLimited(
            f"{self.provider} says the account has no credit left: top it up. {self.said}",
            retryable=False,
        )

    def refused(self) -> Refused:
        """The provider's policy forbids the request."""
        return Refused(
            f"{self.provider}'s policy refused the request: change the goal. {self.said}"
        )

    def unauthenticated(self) -> AuthenticationFailed:
        """The key does not open the door. What was said is left out: it repeats parts of it."""
        return AuthenticationFailed(
            f"{self.provider} refused the API key (HTTP {self.status}): check that it is set, "
            "current and allowed to use this model."
        )

    def _about_account(self) -> AgentError | None:
        if self.status in (401, 403):
            return self.unauthenticated()
        if self.status == 402:
            return self.no_credit()
        if self.status == 429:
            return RateLimited(
                f"{self.provider} is limiting this key's rate: wait, or ask for a higher limit. "
                f"{self.said}",
                retry_after_s=self.retry_after_s,
            )
        return None


def too_slow(provider: str) -> ProviderUnavailable:
    """No answer, or not the rest of it, within the timeout."""
    return ProviderUnavailable(f"{provider} did not answer in time: try again, or raise timeout_s.")


def too_large(error: BaseException, provider: str) -> AnswerTooLarge | None:
    """Our error where the answer had more bytes than are read; SDKs wrap the transport's in their own."""
    from agentkit.llm.exchange import TooLarge  # as in `connections`

    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, TooLarge):
        seen = seen.__cause__ or seen.__context__
    if seen is None:
        return None
    return AnswerTooLarge(
        f"{provider} answered with more than {seen.max_bytes} bytes, which were not read to their "
        "end: ask for less, or raise max_answer_bytes."
    )


def unreachable(provider: str, base_url: str) -> ProviderUnavailable:
    """No connection, or one that broke."""
    return ProviderUnavailable(
        f"Cannot reach {provider} at {base_url}: check the address, the network and that the "
        "server is running."
    )


def without_password(url: str) -> str:
    """An address as an error may name it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def quoted(said: str, secret: str) -> str:
    """A provider's own words, shortened, and with the key blotted out."""
    said = " ".join(said.split())
    if secret:
        said = said.replace(secret, "[key]")
    return f"It said: {said[:LONGEST_QUOTE]}"


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The Retry-After header in seconds, whether it holds seconds or a date; None without one."""
    value = headers.get("retry-after", "")
    with suppress(ValueError):
        return max(0.0, float(value))
    with suppress(ValueError):
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    return None
