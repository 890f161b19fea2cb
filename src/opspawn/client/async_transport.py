"""Carries out the rules for asyncio."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
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


class AsyncTransport:
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
        self._http = httpx2.AsyncClient(**client_settings(self.url, key))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def _run(self, call: Call[T]) -> T:
        return await self._carried_out(answered(call, self._patience))

    async def _carried_out(self, rules: Rules[T]) -> T:
        came: Came = None
        async with _Connection(self.url, self._http) as connection:
            while True:
                try:
                    step = rules.send(came)
                except StopIteration as done:
                    value: T = done.value
                    return value
                came = await connection.do(step)

    def _pages(self, first: Call[Page[T]]) -> AsyncGenerator[T, None]:
        return self._given(lambda: all_of(first, self._patience))

    async def _given(self, begin: Callable[[], Gives[T]]) -> AsyncGenerator[T, None]:
        rules, came = begin(), None
        async with _Connection(self.url, self._http) as connection:
            while True:
                try:
                    step = rules.send(came)
                except StopIteration:
                    return
                if isinstance(step, Give):
                    came = None
                    yield step.item
                else:
                    came = await connection.do(step)


class _Connection:
    """Does what the rules say; holds the one stream that may be open."""

    def __init__(self, url: str, http: httpx2.AsyncClient) -> None:
        self._url = url
        self._http = http
        self._stream: httpx2.Response | None = None
        self._lines: AsyncIterator[str] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._shut()

    async def do(self, step: Do) -> Came:
        if isinstance(step, Rest):
            await self._shut()
            await asyncio.sleep(step.seconds)
            return None
        try:
            return await self._came(step)
        except (httpx2.HTTPError, OSError) as error:
            await self._shut()
            return lost(self._url, error)

    async def _came(self, step: Send | Open | ReadLine) -> Came:
        if isinstance(step, ReadLine):
            return Ended() if self._lines is None else await anext(self._lines, Ended())
        await self._shut()
        arguments: dict[str, Any] = request_arguments(
            self._url, step.call, stream=isinstance(step, Open)
        )
        answer = await self._http.send(self._http.build_request(**arguments), stream=True)
        if isinstance(step, Open) and is_stream(answer):
            self._stream, self._lines = answer, answer.aiter_lines()
            return Opened()
        try:
            await answer.aread()
        finally:
            await answer.aclose()
        return reply(answer)

    async def _shut(self) -> None:
        if self._stream is not None:
            await self._stream.aclose()
        self._stream, self._lines = None, None
