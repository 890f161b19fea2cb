"""One request to a server: made in the task of its session, awaited in another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from agentkit.errors import McpError
from agentkit.mcp.http import Sending, sending
from agentkit.mcp.remarks import Remarks
from agentkit.quote import quote

if TYPE_CHECKING:
    import anyio
    from mcp import Client
    from mcp.shared.exceptions import MCPError

T = TypeVar("T")


class Request(Generic[T]):
    """What is asked, and the answer to come. Raises McpError only.

    `tracked` says that the transport notes each message, so that none noted is none sent.
    """

    def __init__(
        self, server: str, ask: Callable[[Client], Awaitable[T]], remarks: Remarks, *, tracked: bool
    ) -> None:
        self._server = server
        self._ask = ask
        self._remarks = remarks
        self._tracked = tracked
        self._scope: anyio.CancelScope | None = None
        self._answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    async def answered(self, timeout_s: float) -> T:
        """The answer. Who stops waiting for it takes the request back."""
        timeout = asyncio.timeout(timeout_s)
        try:
            async with timeout:
                return await self._answer
        except TimeoutError:
            raise McpError(f"{self._server} did not answer within {timeout_s:g} s.") from None
        finally:
            self._answer.cancel()
            if self._scope is not None:
                self._scope.cancel()

    async def make(self, client: Client, lost: asyncio.Event) -> None:
        """Ask the server, in a task of the session's; `lost` is set once the way to it is."""
        import anyio

        way = Sending()
        sending.set(way)
        with anyio.CancelScope() as self._scope:
            try:
                if not self._answer.done():
                    self._settle(await self._ask(client))
            # Protects the session: who waits for the answer is told instead.
            except Exception as error:  # noqa: BLE001
                self.fail(self._told(error, way, lost))
            finally:
                self.fail(self._broke(way))

    def fail(self, error: McpError) -> None:
        """There will be no answer."""
        if not self._answer.done():
            self._answer.set_exception(error)

    def _settle(self, answer: T) -> None:
        if not self._answer.done():
            self._answer.set_result(answer)

    def _told(self, error: Exception, way: Sending, lost: asyncio.Event) -> McpError:
        import mcp_types
        from mcp.shared.exceptions import MCPError

        if isinstance(error, McpError):
            return error
        if way.refused is not None or way.broke:
            return self._broke(way)
        if isinstance(error, MCPError):
            # A code of the SDK's, and one that servers answer with for reasons of their own.
            if error.code == mcp_types.CONNECTION_CLOSED and lost.is_set():
                return self._broke(way)
            return self._answered_with(error)
        what = quote(self._remarks.blotted(f"{type(error).__name__}: {error}"))
        return McpError(f"{self._server} gave an answer that cannot be read ({what}).")

    def _broke(self, way: Sending) -> McpError:
        if way.refused is not None:
            why = f"{self._server} refused the request: {way.refused}."
        elif self._tracked and not way.began:
            why = f"The connection to {self._server} broke before the request was sent."
        else:
            return McpError(f"The connection to {self._server} broke during the call.")
        return McpError(why, before_effect=True)

    def _answered_with(self, error: MCPError) -> McpError:
        import mcp_types

        # These say that the request itself was wrong: nothing was begun for it.
        refused = error.code in (mcp_types.METHOD_NOT_FOUND, mcp_types.INVALID_PARAMS)
        what = quote(self._remarks.blotted(error.message))
        return McpError(
            f"{self._server} answered with error {error.code}: {what}", before_effect=refused
        )
