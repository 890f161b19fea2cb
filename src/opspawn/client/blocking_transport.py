"""Carries out the rules by blocking."""

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from opspawn.client.address import address
from opspawn.client.call import Call
from opspawn.client.paging import all_of
from opspawn.client.rules import (
    Came,
    Do,
    Ended,
    Give,
    Gives,
    Open,
    Opened,
    Patience,
    ReadLine,
    Rest,
    Rules,
    Send,
    answered,
)
from opspawn.client.views import Page
from opspawn.client.wire import client_settings, is_stream, lost, reply, request_arguments

T = TypeVar("T")


class BlockingTransport:
    """One connection pool; closing it closes what is open."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        patience: Patience = Patience(),  # noqa: B008  # frozen
    ) -> None:
        self.url, key = address(base_url, api_key)
        self._patience = patience
        self._http = httpx2.Client(**client_settings(self.url, key))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def _run(self, call: Call[T]) -> T:
        return self._carried_out(answered(call, self._patience))

    def _carried_out(self, rules: Rules[T]) -> T:
        came: Came = None
        with _Connection(self.url, self._http) as connection:
            while True:
                try:
                    step = rules.send(came)
                except StopIteration as done:
                    value: T = done.value
                    return value
                came = connection.do(step)

    def _pages(self, first: Call[Page[T]]) -> Iterator[T]:
        return self._given(lambda: all_of(first, self._patience))

    def _given(self, begin: Callable[[], Gives[T]]) -> Iterator[T]:
        rules, came = begin(), None
        with _Connection(self.url, self._http) as connection:
            while True:
                try:
                    step = rules.send(came)
                except StopIteration:
                    return
                if isinstance(step, Give):
                    came = None
                    yield step.item
                else:
                    came = connection.do(step)


class _Connection:
    """Does what the rules say; holds the one stream that may be open."""

    def __init__(self, url: str, http: httpx2.Client) -> None:
        self._url = url
        self._http = http
        self._stream: httpx2.Response | None = None
        self._lines: Iterator[str] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._shut()

    def do(self, step: Do) -> Came:
        if isinstance(step, Rest):
            self._shut()
            time.sleep(step.seconds)
            return None
        try:
            return self._came(step)
        except (httpx2.HTTPError, OSError) as error:
            self._shut()
            return lost(self._url, error)

    def _came(self, step: Send | Open | ReadLine) -> Came:
        if isinstance(step, ReadLine):
            return next(self._lines, Ended())
        self._shut()
        arguments: dict[str, Any] = request_arguments(
            self._url, step.call, stream=isinstance(step, Open)
        )
        answer = self._http.send(self._http.build_request(**arguments), stream=True)
        if isinstance(step, Open) and is_stream(answer):
            self._stream, self._lines = answer, answer.iter_lines()
            return Opened()
        try:
            answer.read()
        finally:
            answer.close()
        return reply(answer)

    def _shut(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream, self._lines = None, iter(())
