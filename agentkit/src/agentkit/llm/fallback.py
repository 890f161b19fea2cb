"""Several models in the place of one: the next is asked when one cannot answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from agentkit.errors import AgentError, ModelMisbehaved, ProviderUnavailable, UsageError
from agentkit.llm.port import DEFAULT_SETTINGS, LlmClient, ModelSettings
from agentkit.messages import Delta, Message, Reply, ToolSpec
from agentkit.output import OutputSpec


class FallbackLlm:
    """An `LlmClient` that asks the first of `clients`, and the next when that one fails `on`.

    Each is asked with its own retries and timeouts, so give the first ones few attempts. `on` may
    have RateLimited in it too. Once a delta was given, an error is an error: another model would
    begin again. `Reply.model` says who answered. The clients are closed by whoever made them.
    """

    def __init__(
        self,
        clients: Sequence[LlmClient],
        *,
        on: tuple[type[AgentError], ...] = (ProviderUnavailable,),
    ) -> None:
        if not clients:
            raise UsageError("FallbackLlm([]): give it at least one client.")
        self._clients = tuple(clients)
        self._on = on

    @property
    def model(self) -> str:
        """The model that is asked first."""
        return self._clients[0].model

    async def complete(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        output: OutputSpec | None = None,
        settings: ModelSettings = DEFAULT_SETTINGS,
    ) -> Reply:
        """See `LlmClient`. Raises the last client's error, which tells of the others'."""
        failures: list[AgentError] = []
        for client in self._clients:
            try:
                return await client.complete(messages, tools, output, settings)
            except self._on as error:
                failures.append(error)
        raise self._last(failures)

    async def stream(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        output: OutputSpec | None = None,
        settings: ModelSettings = DEFAULT_SETTINGS,
    ) -> AsyncGenerator[Delta | Reply, None]:
        """See `LlmClient`, and `complete`."""
        failures: list[AgentError] = []
        for client in self._clients:
            async with aclosing(client.stream(messages, tools, output, settings)) as items:
                try:
                    first = await anext(items, None)
                    if first is None:
                        raise ModelMisbehaved(f"{client.model}'s stream ended without a reply.")
                except self._on as error:
                    failures.append(error)
                    continue
                yield first
                async for item in items:
                    yield item
                return
        raise self._last(failures)

    def _last(self, failures: Sequence[AgentError]) -> AgentError:
        last = failures[-1]
        for client, failure in zip(self._clients, failures[:-1], strict=False):
            last.add_note(f"Before that, {client.model} was asked: {failure.message}")
        return last
