"""How the client behaves, without doing it: generators that say what to do next and are told what came.

Both clients carry these out, one with a blocking and one with an asynchronous transport, so that no rule is
written twice.
"""

import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Generic, TypeAlias, TypeVar

from opspawn.client.call import Call, Json
from opspawn.client.errors import OpspawnError, Refused, Unreachable, refused

T = TypeVar("T")

NO_CONTENT: Final = 204

#: Answers that say that the request was not carried out, or may not have been: come again.
_AGAIN = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Send:
    """Send the request; what comes back is a `Reply` or `Lost`."""

    call: Call[Any]


@dataclass(frozen=True, slots=True)
class Open:
    """Send it and keep the answer open when it is a stream: `Opened`, else as for `Send`."""

    call: Call[Any]


@dataclass(frozen=True, slots=True)
class ReadLine:
    """The next line of the open stream, `Ended` or `Lost`."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Do nothing for so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Give(Generic[T]):
    """Hand it to whoever iterates."""

    item: T


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: Json | None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Opened:
    """The beginning of a stream."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The server has ended the stream in good order."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection failed; `sent`: the request may have arrived."""

    why: str
    sent: bool


Do: TypeAlias = Send | Open | ReadLine | Rest
Came: TypeAlias = Reply | Opened | Ended | Lost | str | None
Rules: TypeAlias = Generator[Do, Came, T]
"""Ends with a value."""

Gives: TypeAlias = Generator[Do | Give[T], Came, None]
"""Gives many values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how long a call that failed for now is made again."""

    attempts: int = 5
    """1: never again."""

    first_rest_s: float = 0.2
    longest_rest_s: float = 10.0
    longest_retry_after_s: float = 60.0
    """A server that asks for a longer rest is not waited for: its error is raised."""

    stream_s: float = 60.0
    """For how long `follow` waits for a server that went away."""

    def rest_s(self, attempt: int) -> float:
        """Twice as long each time; by chance up to half less, so that clients do not come all at once."""
        longest = min(self.first_rest_s * 2.0 ** min(attempt - 1, 30), self.longest_rest_s)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  # no secret


def answered(call: Call[T], patience: Patience) -> Rules[T]:
    """The value that answers a call, made again while that is safe and may help."""
    return read(call, (yield from replied(call, patience)))


def read(call: Call[T], reply: Reply) -> T:
    """The value of an answer. Raises `Refused` for one that is none of Opspawn's."""
    if reply.body is None and reply.is_success and reply.status != NO_CONTENT:
        raise refused(reply.status, None, None)
    return call.read(reply.body or {})


def replied(call: Call[Any], patience: Patience) -> Rules[Reply]:
    """Raises `OpspawnError`."""
    attempt = 1
    while True:
        came = yield Send(call)
        if isinstance(came, Reply) and (came.is_success or _is_gone(call, came, attempt)):
            return came
        error = error_of(came)
        if attempt >= patience.attempts or not _may_repeat(call, error):
            raise error
        asked_s = error.retry_after_s if isinstance(error, Refused) else None
        if asked_s is not None and asked_s > patience.longest_retry_after_s:
            raise error
        yield Rest(max(patience.rest_s(attempt), asked_s or 0.0))
        attempt += 1


def _is_gone(call: Call[Any], reply: Reply, attempt: int) -> bool:
    return call.gone_is_done and reply.status == 404 and attempt > 1


def _may_repeat(call: Call[Any], error: OpspawnError) -> bool:
    if isinstance(error, Unreachable):
        return call.repeatable or not error.sent
    # 429 is said before anything is done; after the others it may have been done all the same.
    return is_passing(error) and (call.repeatable or getattr(error, "status", 0) == 429)


def is_passing(error: OpspawnError) -> bool:
    """Whether the same request may do better later."""
    return isinstance(error, Unreachable) or (isinstance(error, Refused) and error.status in _AGAIN)


def error_of(came: Came) -> OpspawnError:
    """The error for whatever is no success."""
    if isinstance(came, Reply):
        return refused(came.status, came.body, _retry_after_s(came.headers.get("retry-after")))
    if isinstance(came, Lost):
        return Unreachable(came.why, sent=came.sent)
    raise AssertionError(f"a transport answered a request with {came!r}")


def _retry_after_s(value: str | None) -> float | None:
    """Seconds or a date (RFC 9110); nothing for what is neither."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (until - datetime.now(UTC)).total_seconds()) if until.tzinfo else None


#: Tests move it.
Clock: TypeAlias = Callable[[], float]
CLOCK: Clock = time.monotonic
