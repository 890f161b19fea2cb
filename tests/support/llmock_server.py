"""llmock, the simulator from PyPI: a real server in a thread, which also judges its client."""

import asyncio
from typing import assert_never

from llmock.pytest_plugin import LLMock
from llmock.scenarios import Delay, Fail, Match, Reply, StreamFault, ToolCall
from llmock.testing import LLMockServer

from support.model_script import Answer, Breaks, Dialect, Fails, Says, Unfinished, Waits

NAMES = {"openai": "openai", "openrouter": "openai", "anthropic": "anthropic", "google": "gemini"}

#: Seconds that no test waits for.
FOR_EVER_S = 30.0

FAULTS = {
    "cut": "disconnect",
    "unfinished": "truncate",
    "malformed": "malformed",
    "stalled": "stall",
}


class Llmock:
    """A `ModelServer` over the server of llmock's own fixture."""

    def __init__(self, server: LLMockServer) -> None:
        self.handle = LLMock(server)

    def url(self, dialect: Dialect) -> str:
        return self.handle.base_url(NAMES[dialect.name])

    def play(self, dialect: Dialect, *answers: Answer, stream: bool = False) -> None:
        self.handle.reset()
        for order, answer in enumerate(answers):
            self._queue(answer, None if order == len(answers) - 1 else 1)

    def requests(self) -> int:
        return len(self.handle.requests)

    async def left(self) -> bool:
        # Its journal waits two seconds for what is under way, in this thread.
        requests = await asyncio.to_thread(lambda: self.handle.requests)
        return not requests[-1].completed

    def _queue(self, answer: Answer, times: int | None) -> None:
        match answer:
            case Says(text, calls):
                made = tuple(ToolCall(name, arguments) for name, arguments in calls)
                self.handle.add(Reply(text=text or None, tool_calls=made, times=times))
            case Fails(status, retry_after_s):
                self.handle.add(Fail(status, retry_after=retry_after_s, times=times))
            case Waits():
                self.handle.add(Delay(FOR_EVER_S, times=times))
            case Breaks(how, text):
                fault = StreamFault(
                    FAULTS[how],  # type: ignore[arg-type]
                    after_chunks=4,
                    stall_seconds=FOR_EVER_S,
                    times=times,
                    match=Match(stream=True),
                )
                self.handle.add(Reply(text=text, times=times), fault)
            case Unfinished():
                raise NotImplementedError("llmock leaves out the finish reason of streams only")
            case _:
                assert_never(answer)
