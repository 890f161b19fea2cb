"""A client that writes down what another one is asked and replies."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path

from agentkit.llm import LlmClient, ModelRequest, ModelSettings
from agentkit.llm.port import DEFAULT_SETTINGS
from agentkit.messages import Delta, Message, Reply, ToolSpec
from agentkit.output import OutputSpec
from agentkit.testing.cassette import Cassette


class LlmRecorder:
    """Implements `LlmClient` by asking `llm`; each reply goes into the file at `path` at once.

    A file that is there is replaced. `secrets` are texts that must not be in it. What the client
    raises passes through, and is not kept. Raises UsageError where no file can be.
    """

    def __init__(self, llm: LlmClient, path: str | Path, *, secrets: Iterable[str] = ()) -> None:
        self._llm = llm
        self._cassette = Cassette.new(Path(path), secrets)

    @property
    def model(self) -> str:
        """The model's name, as the recorded client knows it."""
        return self._llm.model

    async def complete(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        output: OutputSpec | None = None,
        settings: ModelSettings = DEFAULT_SETTINGS,
    ) -> Reply:
        """See `LlmClient`."""
        reply = await self._llm.complete(messages, tools, output, settings)
        request = ModelRequest(tuple(messages), tuple(tools), output, settings)
        self._cassette.add(self.model, request, reply)
        return reply

    async def stream(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        output: OutputSpec | None = None,
        settings: ModelSettings = DEFAULT_SETTINGS,
    ) -> AsyncGenerator[Delta | Reply, None]:
        """See `LlmClient`. The reply is kept, its pieces are not."""
        request = ModelRequest(tuple(messages), tuple(tools), output, settings)
        async with aclosing(self._llm.stream(messages, tools, output, settings)) as items:
            async for item in items:
                if isinstance(item, Reply):
                    self._cassette.add(self.model, request, item)
                yield item
