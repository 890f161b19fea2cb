"""A model that says nothing until it is told to, and notes how late each caller goes on."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Final

from agentkit.llm.port import DEFAULT_SETTINGS, LlmClient, ModelSettings
from agentkit.messages import AssistantMessage, Delta, Message, Reply, ToolSpec, Usage
from agentkit.output import OutputSpec

_REPLY: Final = Reply(AssistantMessage("391."), Usage(10, 5, None), "end", "waiting")


class WaitingModel:
    """Implements `LlmClient`, and gives itself to whoever asks for a model. No socket, no thread."""

    model = "waiting"

    def __init__(self, callers: int) -> None:
        self._callers = callers
        self._held: list[asyncio.Future[float]] = []
        self.all_wait = asyncio.Event()
        self.message_bytes = 0
        self._late_s: list[float] = []

    def client(self, provider: str | None, model: str | None) -> LlmClient:
        return self

    async def prepare(self, providers: Iterable[str | None]) -> None:
        """There is nothing to prepare."""

    async def complete(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        output: OutputSpec | None = None,
        settings: ModelSettings = DEFAULT_SETTINGS,
    ) -> Reply:
        loop = asyncio.get_running_loop()
        held = loop.create_future()
        self._held.append(held)
        self.message_bytes += sum(len(repr(message)) for message in messages)
        if len(self._held) == self._callers:
            self.all_wait.set()
        due = await held
        self._late_s.append(loop.time() - due)
        return _REPLY

    async def stream(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        output: OutputSpec | None = None,
        settings: ModelSettings = DEFAULT_SETTINGS,
    ) -> AsyncGenerator[Delta | Reply, None]:
        yield await self.complete(messages, tools, output, settings)

    def answer(self, callers: int, over_s: float) -> None:
        """Answers so many of those that wait longest, spread evenly over so long, as models answer."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        answered, self._held = self._held[:callers], self._held[callers:]
        for number, held in enumerate(answered):
            due = began + over_s * number / len(answered)
            loop.call_at(due, held.set_result, due)

    @property
    def waiting(self) -> int:
        """How many have no answer yet, and none on its way."""
        return len(self._held)

    def take_lateness(self) -> list[float]:
        """How late those went on that were answered since this was last asked. Seconds."""
        taken, self._late_s = self._late_s, []
        return taken
