"""The log of one task of a trial, as it tells of the steps: what was announced, committed, doubted, resolved.

Whether it is a run of the state machine at all, `log_trace` says.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Self

Row = dict[str, Any]

_FINISHED: Final = {"step.recorded", "tool.completed"}


@dataclass
class StepLog:
    """Read from its start; `wrong` is what cannot be. Steps are named by their paths."""

    epoch: int = 0
    intents: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """The epochs under which a call was announced."""

    steps: dict[str, int] = field(default_factory=dict)
    """The epoch under which the step ran that was committed."""

    values: dict[str, Any] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    """The calls that the log says are in doubt."""

    run_again: Counter[str] = field(default_factory=Counter)
    """How often a person said that a call did not happen."""

    wrong: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, events: Iterable[Row]) -> Self:
        log = cls()
        for event in events:
            if event["type"] == "task.claimed":
                log.epoch += 1
            elif "/tool/" in (event["journal"] or {}).get("path", ""):
                log._read(event["type"], event["journal"]["path"], event["journal"])
        return log

    @property
    def in_doubt(self) -> set[str]:
        """The calls that were announced and of which nobody knows how they ended."""
        return {
            path
            for path, epochs in self.intents.items()
            if path not in self.steps and len(epochs) > self.run_again[path]
        }

    def _read(self, kind: str, path: str, entry: Row) -> None:
        if kind == "tool.dispatched":
            self._dispatch(path)
        elif kind in _FINISHED:
            self._finish(path, entry["value"])
        elif kind == "tool.unknown":
            self._doubt(path)
        elif kind == "effect.resolved":
            self._resolve(path, entry)

    def _dispatch(self, path: str) -> None:
        if path in self.in_doubt or path in self.steps:
            self.wrong.append(f"step {path} was announced again")
        self.intents[path].append(self.epoch)

    def _finish(self, path: str, value: Row) -> None:
        if value["epoch"] != self.epoch:
            self.wrong.append(
                f"step {path} of epoch {value['epoch']} was committed under epoch {self.epoch}"
            )
        self.steps[path], self.values[path] = self.epoch, value

    def _doubt(self, path: str) -> None:
        if path not in self.in_doubt or path in self.unknown:
            self.wrong.append(f"step {path} is said to be in doubt, and is not")
        self.unknown.add(path)

    def _resolve(self, path: str, entry: Row) -> None:
        """A person's word on a call in doubt."""
        if path not in self.unknown:
            self.wrong.append(f"a word on step {path}, which is in no doubt")
        self.unknown.discard(path)
        if entry["outcome"] == "happened":
            self.steps[path], self.values[path] = entry["result"]["epoch"], entry["result"]
        else:
            self.run_again[path] += 1
