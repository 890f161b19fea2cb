"""How much of its conversation a run is shown: the newest turns, and of the rest a summary or nothing."""

from collections.abc import Sequence

from agentkit import ShortTermMemory, SummarizingMemory
from agentkit.memory import Memory
from opspawn.agents.providers import ModelClients
from opspawn.settings import Settings


class Windows:
    """The short-term memory of all runs of a worker, made when the first one needs it."""

    def __init__(self, settings: Settings, providers: ModelClients) -> None:
        self._settings = settings
        self._providers = providers
        self._memory: Memory | None = None

    @property
    def providers(self) -> Sequence[str]:
        """Whose model writes the summaries, if one does."""
        summarizer = self._settings.summaries_by
        return [] if summarizer is None else [summarizer[0]]

    def of_run(self, tokens: int | None = None) -> Memory:
        """The one of all runs, or one of `tokens` for a run that asks for them.

        Raises `TaskFailed` when the model for summaries cannot be asked.
        """
        if tokens is not None:
            return self._made(tokens)
        if self._memory is None:
            self._memory = self._made(self._settings.agent_window_tokens)
        return self._memory

    def _made(self, tokens: int) -> Memory:
        summarizer = self._settings.summaries_by
        if summarizer is None:
            return ShortTermMemory(tokens)
        # An eighth, 1,000 at most: in a small window the summary must leave room for the turns.
        return SummarizingMemory(
            self._providers.client(*summarizer),
            max_tokens=tokens,
            summary_tokens=min(1_000, tokens // 8),
        )
