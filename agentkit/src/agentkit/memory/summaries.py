"""Running summaries of a conversation: how one is made of the one before, and kept."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from agentkit.errors import AgentError, ContextTooLong, Refused
from agentkit.llm import LlmClient, ModelSettings
from agentkit.memory.transcribing import transcribed
from agentkit.messages import Label, Message, SystemMessage, Usage, UserMessage
from agentkit.tokens import CHARACTERS_PER_TOKEN

DEFAULT_KEPT = 10_000
"""Summaries kept in memory, about 4 KB each; one that is lost is made again, and paid again."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The summary that holds in a step, and what was used to make it there.

    `problem` is the type of the error that kept the newest turns out of it, empty without one.
    """

    text: str
    usage: Usage
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """The turns that a window has no room for; `cuts` are the numbers of them that the successive
    summaries cover, the last one all.
    """

    head: Sequence[Message]
    turns: Sequence[Sequence[Message]]
    cuts: Sequence[int]

    @property
    def keys(self) -> list[str]:
        """What each summary is a summary of, as a hash: runs cannot mix up theirs."""
        so_far = hashlib.sha256(repr(self.head).encode("utf-8", "surrogatepass"))
        keys: list[str] = []
        start = 0
        for cut in self.cuts:
            so_far.update(repr(self.turns[start:cut]).encode("utf-8", "surrogatepass"))
            keys.append(so_far.hexdigest())
            start = cut
        return keys


class Summaries:
    """Makes summaries with a model, and keeps those of this process, by what they sum up.

    Keeping only saves model calls: what is shown of a run is what its journal has.
    """

    def __init__(
        self,
        llm: LlmClient,
        prompt: str,
        max_tokens: int,
        settings: ModelSettings,
        max_kept: int = DEFAULT_KEPT,
    ) -> None:
        self._llm = llm
        self._prompt = prompt
        self._max_tokens = max_tokens
        self._settings = settings
        self._max_kept = max_kept
        self._kept: OrderedDict[str, str] = OrderedDict()

    async def make(self, dropped: Dropped) -> Summary:
        """The summary of what was dropped, made from the last one that is known.

        Raises what the model's client raises when another attempt or another text would not help.
        """
        keys = dropped.keys
        known = max((at for at, key in enumerate(keys) if key in self._kept), default=-1)
        text = self._kept[keys[known]] if known >= 0 else ""
        start = dropped.cuts[known] if known >= 0 else 0
        usage = Usage.none()
        for key, cut in zip(keys[known + 1 :], dropped.cuts[known + 1 :], strict=True):
            asked = self._asked(dropped.head, text, dropped.turns[start:cut])
            try:
                reply = await self._llm.complete(asked, settings=self._settings)
            except AgentError as error:
                # A wrong key or setting stays wrong: somebody has to hear of it.
                if not (error.retryable or isinstance(error, ContextTooLong | Refused)):
                    raise
                return Summary(text, usage, error.type)
            usage += reply.usage
            said = reply.message.text.strip()
            if reply.stop == "refused" or not said:
                return Summary(text, usage, "refused")
            text, start = said[: self._max_tokens * CHARACTERS_PER_TOKEN], cut
            self._keep(key, text)
        return Summary(text, usage)

    def learn(self, dropped: Dropped, summary: Summary) -> None:
        """Keep what a journal had: the next summary is made from it."""
        if not summary.problem:
            self._keep(dropped.keys[-1], summary.text)

    def _asked(
        self, head: Sequence[Message], text: str, turns: Sequence[Sequence[Message]]
    ) -> tuple[Message, ...]:
        parts = {
            "goal": transcribed([message for message in head if isinstance(message, UserMessage)]),
            "summary": text,
            "turns": transcribed(list(chain.from_iterable(turns))),
            "longest": f"{self._max_tokens // 2} words",
        }
        asked = "\n\n".join(f"<{name}>\n{part}\n</{name}>" for name, part in parts.items() if part)
        return SystemMessage(self._prompt), UserMessage(asked, label=Label("memory", "turns"))

    def _keep(self, key: str, text: str) -> None:
        self._kept[key] = text
        self._kept.move_to_end(key)
        while len(self._kept) > self._max_kept:
            self._kept.popitem(last=False)
