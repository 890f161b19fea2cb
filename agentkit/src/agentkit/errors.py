"""Everything agentkit raises, split by who is at fault.

    AgentError
    ├── UsageError             the caller: the program that uses agentkit must change
    │   └── Nondeterministic   … between a recorded run and its replay
    ├── ModelMisbehaved        the model: it broke the protocol (no finish reason, nothing said)
    │   ├── OutputInvalid      … its answer does not fit the schema, also not when asked again
    │   └── AnswerTooLarge     … its answer is larger than the client reads
    ├── ProviderError          the provider, or the way to it
    │   ├── ProviderUnavailable    down, overloaded, unreachable or too slow
    │   ├── RateLimited            too many requests, or no credit left
    │   ├── AuthenticationFailed   the key is wrong or may not do this
    │   ├── BadRequest             the request can never work as it is
    │   ├── ContextTooLong         the conversation no longer fits into the model
    │   └── Refused                the provider's policy refused the request
    ├── McpError               an MCP server, or the way to it
    └── LimitExceeded          nobody: the run reached a limit its operator set

`type` is the stable name on the wire. `retryable` says whether the same thing, done again a little
later, can work. Messages say what to do next and never contain a key. What a model can repair by
itself (bad arguments, a denied or failing tool) is an observation, not an exception.

`FailedBeforeEffect` and `ToolFailed` stand beside the tree: tools raise them, and no caller of
agentkit sees them.
"""

from __future__ import annotations

from typing import ClassVar

from agentkit.events import Limit
from agentkit.messages import Reply, Usage


class AgentError(Exception):
    """The root: catching it catches everything agentkit raises on purpose."""

    type: ClassVar[str] = "agent_error"
    retryable: bool = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class FailedBeforeEffect(Exception):
    """A tool raises it to say: it failed, and nothing happened; it may be tried again.

    Of an unsafe tool, any other exception leaves open whether the effect took place.
    """


class ToolFailed(Exception):
    """A tool raises it to tell the model in its own words that it failed, and what came of it.

    The text is the whole observation. Nothing is in doubt afterwards, also of an unsafe tool.
    """


class UsageError(AgentError):
    """agentkit was called in a way that cannot work; the message says what to change."""

    type = "usage_error"


class Nondeterministic(UsageError):
    """A replayed run asked for something other than what was recorded at the same step."""

    type = "nondeterministic"


class ModelMisbehaved(AgentError):
    """The model or its server broke the protocol. Sampling again often helps.

    `reply` is what it said, if it said anything, with what all of it has used: that is paid for.
    """

    type = "model_misbehaved"
    retryable = True

    def __init__(self, message: str, reply: Reply | None = None) -> None:
        super().__init__(message)
        self.reply = reply


class OutputInvalid(ModelMisbehaved):
    """The answer does not fit the schema that was asked for, and neither did its repair."""

    type = "output_invalid"
    retryable = False


class AnswerTooLarge(ModelMisbehaved):
    """The answer is larger than the client's `max_answer_bytes`, and was not read to its end."""

    type = "answer_too_large"
    retryable = False


class ProviderError(AgentError):
    """The provider, or the way to it, failed; `retry_after_s` is the provider's own wish."""

    type = "provider_error"

    def __init__(
        self, message: str, *, retryable: bool | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        if retryable is not None:
            self.retryable = retryable
        self.retry_after_s = retry_after_s


class ProviderUnavailable(ProviderError):
    """Down, overloaded, unreachable, or slower than the timeout."""

    type = "provider_unavailable"
    retryable = True


class RateLimited(ProviderError):
    """Too many requests. Not retryable when the account has no credit left."""

    type = "rate_limited"
    retryable = True


class AuthenticationFailed(ProviderError):
    """The key is missing, wrong, or not allowed to use this model."""

    type = "authentication_failed"


class BadRequest(ProviderError):
    """The provider rejected the request itself: an unknown model, a setting it does not take."""

    type = "bad_request"


class ContextTooLong(ProviderError):
    """The conversation does not fit into the model's context window."""

    type = "context_too_long"


class Refused(ProviderError):
    """The provider's policy refused to process the request."""

    type = "refused"


class McpError(AgentError):
    """An MCP server did not do what it was asked; `before_effect` says that it never began."""

    type = "mcp_error"

    def __init__(
        self, message: str, *, before_effect: bool = False, retryable: bool = False
    ) -> None:
        super().__init__(message)
        self.before_effect = before_effect
        self.retryable = retryable


class LimitExceeded(AgentError):
    """A limit ended the run; what was reached until then is kept."""

    type = "limit_exceeded"

    def __init__(self, limit: Limit, detail: str, partial_output: str, usage: Usage) -> None:
        super().__init__(f"The run was stopped by its limit on {limit}: {detail}")
        self.limit = limit
        self.detail = detail
        self.partial_output = partial_output
        self.usage = usage
