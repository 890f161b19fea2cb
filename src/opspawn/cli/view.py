"""The live view of a run, on standard error: the words of each event as it comes."""

from datetime import datetime
from typing import Final

from rich.console import Console
from rich.status import Status
from rich.text import Text

from opspawn.cli.client import Event
from opspawn.cli.follow import Found, Lost, Seen
from opspawn.cli.narrate import cost, narrate, tokens
from opspawn.cli.text import bounded, one_line
from opspawn.cli.told import Line
from opspawn.cli.waits import waits_of, what_to_do
from opspawn.client.call import Json

#: Where the words of an event begin: after `   0.42s  ` and a label.
_TIME_WIDTH: Final = 10
_LABEL_WIDTH: Final = 13
_MARGIN: Final = " " * (_TIME_WIDTH + _LABEL_WIDTH)

_STYLES: Final = {
    "completed": "bold green",
    "failed": "bold red",
    "cancelled": "bold yellow",
    "waiting": "bold yellow",
}


class RunView:
    """Shows one run. Untrusted words go into `Text`, never into markup."""

    def __init__(self, console: Console, task_id: str = "TASK_ID") -> None:
        self._console = console
        self._task_id = task_id
        self._status: Status | None = None
        self._started: datetime | None = None
        self._said: set[str | None] = set()
        self._is_lost = False

    def show(self, seen: Seen) -> None:
        if isinstance(seen, Event):
            self._event(seen)
        elif isinstance(seen, Found):
            self._is_lost = False
            self._note("The server answers again.")
        else:
            self._lost(seen)

    def finish(self, task: Json) -> None:
        """The last line: how the task stands, and what it used."""
        self.close()
        status = one_line(task.get("status"), 40)
        usage = task.get("usage") or {}
        steps = usage.get("steps", 0)
        counted = f"{steps} step{'' if steps == 1 else 's'}"
        words = " · ".join(
            part for part in (counted, tokens(usage), cost(usage.get("cost_usd"))) if part
        )
        self._print(Text(status, style=_STYLES.get(status, "bold")).append(f" · {words}", "dim"))
        error = task.get("error")
        if isinstance(error, dict):
            self._print(Text(f"{one_line(error.get('type'))}: {bounded(error.get('message'))}"))

    def close(self) -> None:
        """Takes away the moving line."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _event(self, event: Event) -> None:
        self._started = self._started or event.at
        elapsed_s = (event.at - self._started).total_seconds()
        told = narrate(event)
        self.close()
        for line in told.lines:
            if not (line.is_echo and line.says in self._said):
                self._line(elapsed_s, line)
            self._said.add(line.says)
        for wait in waits_of(event.data):
            self._detail(what_to_do(self._task_id, wait))
        if told.busy and self._console.is_terminal:
            self._status = self._console.status(Text(told.busy, style="dim"))
            self._status.start()

    def _line(self, elapsed_s: float, line: Line) -> None:
        first, *others = line.words.split("\n")
        head = Text(f"{elapsed_s:7.2f}s  ", style="dim")
        head.append(f"{line.label:<{_LABEL_WIDTH}}", style=line.style)
        self._print(head.append(first, style="none"))
        for other in others:
            self._print(Text(_MARGIN + other))
        self._detail(line.detail)

    def _detail(self, words: str) -> None:
        if words:
            self._print(Text(_MARGIN + words, style="dim"))

    def _lost(self, lost: Lost) -> None:
        if not self._is_lost:
            self._note(f"{one_line(lost.message, 300)} Trying again …")
        self._is_lost = True

    def _note(self, words: str) -> None:
        self.close()
        self._print(Text(words, style="yellow"))

    def _print(self, text: Text) -> None:
        # Soft wrap: the terminal breaks long lines, a file keeps them whole.
        self._console.print(text, soft_wrap=True)
