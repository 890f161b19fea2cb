"""What the loop asks of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agentkit.messages import Message, Reply, ToolSpec


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """How a model is asked. None leaves the choice to the provider.

    `timeout_s` bounds one attempt from its start to the last byte, so that neither a stalled nor a
    trickling server can hold a run. A setting the model does not take is a BadRequest, never
    dropped in silence.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    timeout_s: float = 60.0


class LlmClient(Protocol):
    """A model behind a provider, a server or in this process."""

    @property
    def model(self) -> str:
        """The model's name, as events and journals show it."""
        ...

    async def complete(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], settings: ModelSettings
    ) -> Reply:
        """Ask once, offering `tools`. Raises ProviderError or ModelMisbehaved."""
        ...
