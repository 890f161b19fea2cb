"""What the loop asks of a model."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from agentkit.messages import Delta, Message, Reply, ToolSpec
from agentkit.output import OutputSpec

ReasoningEffort: TypeAlias = Literal["minimal", "low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """How a model is asked. None leaves the choice to the provider.

    `timeout_s` bounds one attempt from its start to the last byte, so that neither a stalled nor a
    trickling server can hold a run; `total_timeout_s` bounds all attempts and the waits between
    them. `tool_choice` is `auto`, `none`, `required`, or the name of the one tool to call. A setting
    the model does not take is a BadRequest, never dropped in silence.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    timeout_s: float = 60.0
    total_timeout_s: float | None = None
    stop: tuple[str, ...] = ()
    reasoning_effort: ReasoningEffort | None = None
    tool_choice: str = "auto"
    parallel_tool_calls: bool | None = None


DEFAULT_SETTINGS = ModelSettings()
"""How a model is asked when nothing is said."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What a model is asked, as one value: what wrappers and providers hand on."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    output: OutputSpec | None = None
    settings: ModelSettings = DEFAULT_SETTINGS

    @property
    def arguments(
        self,
    ) -> tuple[tuple[Message, ...], tuple[ToolSpec, ...], OutputSpec | None, ModelSettings]:
        """As both methods of an `LlmClient` take them."""
        return self.messages, self.tools, self.output, self.settings


class LlmClient(Protocol):
    """A model that can be asked. Calls may run at the same time.

    Both methods take the same arguments and raise ProviderError and its kin, ModelMisbehaved, or
    OutputInvalid when an answer does not fit `output`, also not when the model was told so.
    """

    @property
    def model(self) -> str:
        """The model's name, as the provider knows it."""
        ...

    async def complete(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        output: OutputSpec | None = None,
        settings: ModelSettings = ...,
    ) -> Reply:
        """Ask once and return the finished answer."""
        ...

    def stream(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        output: OutputSpec | None = None,
        settings: ModelSettings = ...,
    ) -> AsyncGenerator[Delta | Reply, None]:
        """Ask once; gives what is written as it is written, and last of all the Reply.

        Nothing is asked twice once a delta has been given. Closing the generator closes the
        connection.
        """
        ...
