"""The connection to one server: a task that owns the session, opens it again, and serves requests.

The SDK's sessions are bound to the task that opened them, and whatever breaks in one cancels that
task. So each has a task to itself; everybody else puts requests into its queue and waits for the
answer. A request is made once: when the connection breaks under it, it fails.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from agentkit.errors import McpError
from agentkit.mcp.backoff import Backoff
from agentkit.mcp.catalog import Catalog
from agentkit.mcp.http import Sending, sending
from agentkit.mcp.remarks import Remarks
from agentkit.mcp.request import Request
from agentkit.mcp.server import McpServer
from agentkit.mcp.session import hear_of_changes, listed_tools, session
from agentkit.mcp.status import OnStatus, ServerStatus, State

if TYPE_CHECKING:
    import anyio
    from mcp import Client

T = TypeVar("T")

_LONGEST_ERROR = 500

_LAST_WORDS_S = 0.1
"""For the requests that are under way when the connection breaks: each knows best what became of it."""

_GOODBYE_S = 5.0
"""What ending a session may take; a server that has stalled is not waited for longer."""

_REFRESH_S = 1.0
"""Between two looks at the tools of a server that says again and again that they have changed."""


class Connection:
    """One server of a client. Nothing happens before `start`; `stop` ends it for good."""

    def __init__(
        self,
        server: McpServer,
        catalog: Catalog,
        backoff: Backoff,
        on_status: OnStatus = lambda _: None,
    ) -> None:
        self.server = server
        self.catalog = catalog
        self.capabilities: Any = None
        self._backoff = backoff
        self._on_status = on_status
        url = [] if server.url is None else [server.url]
        self._remarks = Remarks([*server.env.values(), *server.headers.values(), *url])
        self._state: State = "idle"
        self._error: str | None = None
        self._protocol: str | None = None
        self._attempts = 0
        self._requests: asyncio.Queue[Request[Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._scope: anyio.CancelScope | None = None
        self._lost = asyncio.Event()
        self._stopping = asyncio.Event()
        self._outcome: asyncio.Future[None] | None = None
        self._failed = False
        self._tracked = False

    @property
    def status(self) -> ServerStatus:
        """How it stands now."""
        connected = self._state == "connected"
        return ServerStatus(
            name=self.server.name,
            state=self._state,
            error=None if connected else self._error,
            tools=tuple(one.name for one in self.catalog.offered) if connected else (),
            withheld=tuple(self.catalog.withheld.values()),
            left_out=self.catalog.left_out,
            protocol=self._protocol,
            attempts=self._attempts,
            said=self._remarks.text,
        )

    async def ready(self) -> None:
        """Wait until it is connected; the first time, connect.

        Raises McpError when that fails, or failed just now: nothing was sent.
        """
        if self._stopping.is_set():
            raise McpError(f"The client of {self.server.name} is closed.", before_effect=True)
        if self._task is None:
            self._outcome = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._run(), name=f"mcp:{self.server.name}")
        if self._state == "waiting" and self._failed:
            raise self._unavailable()
        if self._state != "connected" and self._outcome is not None:
            # Shielded: others wait for it too. Every attempt has its time.
            await asyncio.shield(self._outcome)

    async def ask(self, request: Callable[[Client], Awaitable[T]]) -> T:
        """Make one request. Raises McpError, saying whether it may have had an effect."""
        await self.ready()
        asked = Request(self.server.name, request, self._remarks, tracked=self._tracked)
        self._requests.put_nowait(asked)
        return await asked.answered(self.server.call_timeout_s)

    def blotted(self, text: str) -> str:
        """The text without what the operator gave the server as a secret."""
        return self._remarks.blotted(text)

    async def stop(self) -> None:
        """End the session in order, and with it a process of ours."""
        self._stopping.set()
        self._lost.set()
        if self._scope is not None and self._state != "connected":
            self._scope.cancel()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        self._state, self._error, self._failed = "closed", "it is closed", True
        self._turn_away()

    async def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began_s = asyncio.get_running_loop().time()
            self._state = "connecting"
            self._attempts += 1
            self._failed = True
            self._error = await self._one_session()
            if self._stopping.is_set():
                return
            self._state = "waiting"
            self._turn_away()
            self._on_status(self.status)
            held_s = asyncio.get_running_loop().time() - began_s
            failures = 1 if held_s > self._backoff.max_s else failures + 1
            await self._pause(self._backoff.wait_s(failures))

    async def _one_session(self) -> str:
        """Connect, and serve requests until that ends; why it did."""
        import anyio

        ended = f"it did not answer within {self.server.connect_timeout_s:g} s"
        self._scope = anyio.CancelScope()
        self._scope.deadline = anyio.current_time() + self.server.connect_timeout_s
        self._lost, changed = asyncio.Event(), asyncio.Event()
        try:
            with self._scope:
                async with session(self.server, self._remarks, self._lost, changed) as client:
                    self._tracked = await self._first_look(client)
                    self._scope.deadline = math.inf
                    self._connected(client)
                    await self._serve(client, changed)
                    ended = "the connection broke"
                    self._scope.deadline = anyio.current_time() + _GOODBYE_S
        # Protects the client: whatever one server does wrong is its own state, and is tried again.
        except Exception as error:  # noqa: BLE001
            return self._reason(error)
        return ended

    async def _serve(self, client: Client, changed: asyncio.Event) -> None:
        import anyio

        async with anyio.create_task_group() as work:

            async def end() -> None:
                await self._lost.wait()
                self._leave()
                if not self._stopping.is_set():
                    await asyncio.sleep(_LAST_WORDS_S)
                work.cancel_scope.cancel()

            work.start_soon(end)
            work.start_soon(hear_of_changes, client, changed)
            work.start_soon(self._keep_looking, client, changed)
            try:
                while True:
                    request = await self._requests.get()
                    if self._lost.is_set():
                        request.fail(self._unavailable())
                    else:
                        work.start_soon(request.make, client, self._lost)
            finally:
                self._leave()

    def _leave(self) -> None:
        """From here on, who comes waits for the next attempt."""
        if self._state == "connected":
            self._state, self._error = "waiting", "the connection broke"
            self._outcome = asyncio.get_running_loop().create_future()

    async def _keep_looking(self, client: Client, changed: asyncio.Event) -> None:
        import anyio
        from mcp.shared.exceptions import MCPError

        while True:
            await changed.wait()
            changed.clear()
            try:
                with anyio.fail_after(self.server.call_timeout_s):
                    await self._look(client)
                self._on_status(self.status)
            except (MCPError, TimeoutError, ValueError) as error:
                self._remarks.add(f"\n[its tools cannot be listed again: {self._reason(error)}]")
            await asyncio.sleep(_REFRESH_S)

    async def _first_look(self, client: Client) -> bool:
        """Also whether the transport noted the request: if not, nothing is concluded from its notes."""
        probe = Sending()
        sending.set(probe)
        await self._look(client)
        return probe.began

    async def _look(self, client: Client) -> None:
        tools, cut = await listed_tools(client, self.server.max_tools)
        self.catalog.update(tools, cut=cut)

    def _connected(self, client: Client) -> None:
        self.capabilities = client.server_capabilities
        self._protocol = client.protocol_version
        self._state, self._error, self._failed = "connected", None, False
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(None)
        self._on_status(self.status)

    def _turn_away(self) -> None:
        """Tell who waits for a connection or for their turn; what was sent is told by itself."""
        while not self._requests.empty():
            self._requests.get_nowait().fail(self._unavailable())
        if self._failed and self._outcome is not None:
            waited_for, self._outcome = self._outcome, asyncio.get_running_loop().create_future()
            waited_for.set_exception(self._unavailable())
            # Looked at here, because nobody may be waiting.
            waited_for.exception()

    def _unavailable(self) -> McpError:
        why = self._error or "it has not answered yet"
        return McpError(
            f"{self.server.name} is not connected: {why}.", before_effect=True, retryable=True
        )

    def _reason(self, error: BaseException) -> str:
        """One line of what is at the bottom of it, with what the server said last."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        text = str(error) if isinstance(error, McpError) else f"{type(error).__name__}: {error}"
        said = self._remarks.text.splitlines()[-1:]
        told = " | ".join([" ".join(self._remarks.blotted(text).split()), *said])
        return told[:_LONGEST_ERROR].rstrip(".")

    async def _pause(self, seconds: float) -> None:
        timeout = asyncio.timeout(seconds)
        try:
            async with timeout:
                await self._stopping.wait()
        except TimeoutError:
            pass
