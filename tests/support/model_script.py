"""What a model's server is to answer, in nobody's dialect: each kind of server plays it in its own way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from agentkit.llm import RetryPolicy
from agentkit.llm.anthropic import AnthropicClient
from agentkit.llm.google import GoogleClient
from agentkit.llm.openai import OpenAiClient
from agentkit.llm.openrouter import OpenRouterClient
from agentkit.llm.provider import ProviderClient

KEY = "test-key-that-nobody-issued"


@dataclass(frozen=True)
class Says:
    """A text, and calls of tools, as names and arguments."""

    text: str = ""
    calls: Sequence[tuple[str, dict[str, Any]]] = ()


@dataclass(frozen=True)
class Fails:
    """An HTTP error in the provider's form."""

    status: int
    retry_after_s: float | None = None


@dataclass(frozen=True)
class Waits:
    """Nothing at all, for longer than any test waits."""


Break: TypeAlias = Literal["cut", "unfinished", "malformed", "stalled"]


@dataclass(frozen=True)
class Breaks:
    """A stream that begins well, and then drops the connection, ends without a reason, is no JSON, or
    says nothing more.
    """

    how: Break
    text: str = "It is three hundred and ninety-one, as far as I can tell."


@dataclass(frozen=True)
class Unfinished:
    """A whole answer without its finish reason."""


Answer: TypeAlias = Says | Fails | Waits | Breaks | Unfinished


@dataclass(frozen=True)
class Dialect:
    """A client of ours with the real SDK under it."""

    name: str
    model: str
    make: Callable[[str, str, RetryPolicy], ProviderClient] = field(repr=False)

    def client(self, url: str, retry: RetryPolicy) -> ProviderClient:
        """One that asks the server at `url`."""
        return self.make(self.model, url, retry)


class ModelServer(Protocol):
    """A server on a real socket that plays answers, one for each request."""

    def url(self, dialect: Dialect) -> str:
        """What a client of the dialect is given as `base_url`."""
        ...

    def play(self, dialect: Dialect, *answers: Answer, stream: bool = False) -> None:
        """Forget what was, and answer the next requests so; the last one again and again.

        `stream` says whether they will ask for a stream.
        """
        ...

    def requests(self) -> int:
        """How many requests came since."""
        ...


class SeesWhoLeaves(ModelServer, Protocol):
    """One that notices when a client hangs up."""

    async def left(self) -> bool:
        """Whether the last client left an unfinished answer; waits until it has, or a while."""
        ...


def _openai(model: str, url: str, retry: RetryPolicy) -> ProviderClient:
    return OpenAiClient(model, KEY, url, "openai", retry)


def _openrouter(model: str, url: str, retry: RetryPolicy) -> ProviderClient:
    return OpenRouterClient(model, KEY, url, retry)


def _anthropic(model: str, url: str, retry: RetryPolicy) -> ProviderClient:
    return AnthropicClient(model, KEY, url, "anthropic", retry)


def _google(model: str, url: str, retry: RetryPolicy) -> ProviderClient:
    return GoogleClient(model, KEY, url, "google", retry)


DIALECTS = (
    Dialect("openai", "gpt-4o-mini", _openai),
    Dialect("openrouter", "openai/gpt-4o-mini", _openrouter),
    Dialect("anthropic", "claude-sonnet-5-5", _anthropic),
    Dialect("google", "gemini-2.5-flash", _google),
)
