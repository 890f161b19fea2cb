"""Following a task: each event once and in order, however often the connection breaks."""

from collections.abc import Generator

from opspawn.client import calls
from opspawn.client.call import Json
from opspawn.client.errors import OpspawnError, refused
from opspawn.client.rules import (
    CLOCK,
    Came,
    Clock,
    Do,
    Ended,
    Give,
    Gives,
    Open,
    Opened,
    Patience,
    ReadLine,
    Reply,
    Rest,
    answered,
    error_of,
    is_passing,
)
from opspawn.client.sse import Frames
from opspawn.client.views import Event

#: How many events a page has.
PAGE = 200

#: Between two looks at a log whose server does not stream, and before a stream is opened again. Seconds.
REST_S = 0.5

_ONCE = Patience(attempts=1)


class Following:
    """The rules of one follow. `after` is the last event that was given."""

    def __init__(self, task_id: str, after: int, patience: Patience, clock: Clock = CLOCK) -> None:
        self._task_id = task_id
        self.after = after
        self._patience = patience
        self._clock = clock
        self._heard_at = clock()

    def events(self) -> Gives[Event]:
        """Ends when the task has ended and its whole log was given. Raises `OpspawnError`."""
        while True:
            try:
                yield from self._live()
                if (yield from self._rest_of_log()):
                    return
            except OpspawnError as error:
                if not is_passing(error):
                    raise
                if self._clock() - self._heard_at >= self._patience.stream_s:
                    raise
            yield Rest(REST_S)

    def _live(self) -> Gives[Event]:
        """What one connection brings, until it ends."""
        rules, came = live(self._task_id, self.after), None
        while True:
            try:
                step = rules.send(came)
            except StopIteration:
                return
            if isinstance(step, Give):
                came = None
                yield from self._give(Event.model_validate(step.item))
            else:
                came = yield step
                if isinstance(came, str) or (isinstance(came, Reply) and came.is_success):
                    self._heard()

    def _rest_of_log(self) -> Generator[Do | Give[Event], Came, bool]:
        """What the stream did not bring; whether that was all there will be.

        In this order: if the task had ended before a page that has nothing, everything was given.
        """
        while True:
            task = yield from answered(calls.task(self._task_id), _ONCE)
            page = yield from answered(calls.events(self._task_id, self.after, PAGE), _ONCE)
            self._heard()
            for event in page:
                yield from self._give(event)
            if not page:
                return task.ended

    def _give(self, event: Event) -> Gives[Event]:
        if event.seq > self.after:
            self.after = event.seq
            yield Give(event)

    def _heard(self) -> None:
        self._heard_at = self._clock()


def live(task_id: str, after: int) -> Gives[Json]:
    """The events that one connection brings, as JSON, until it ends.

    A server that does not stream brings none: its log is read page by page.
    """
    came = yield Open(calls.stream(task_id, after))
    if isinstance(came, Reply) and came.is_success:
        return
    if not isinstance(came, Opened):
        raise error_of(came)
    frames = Frames()
    while not isinstance(line := (yield ReadLine()), Ended):
        if not isinstance(line, str):
            raise error_of(line)
        frame = frames.fed(line)
        if frame is None:
            continue
        name, body = frame
        if name == "error":
            raise refused(int(body.get("status", 500)), body, None)
        if "seq" in body:  # what has none is not of the log
            yield Give(body)
