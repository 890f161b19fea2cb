"""What Prometheus is told at a scrape."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from ops_core.identity.tenants import refuse_guests
from ops_core.metrics.port import Figures, FiguresStore
from ops_core.metrics.recent import RecentFigures
from ops_core.metrics.tally import Tally
from ops_core.principal import Principal
from ops_core.scopes import Scope

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric

#: The classic text, which every version of Prometheus reads.
MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class MetricsService:
    """The figures of one process, and those of the installation, which every process tells alike.

    `streams`: how many this process serves.
    """

    def __init__(
        self, figures: FiguresStore, streams: Callable[[], int], *, version: str = "unknown"
    ) -> None:
        self.rest = Tally()
        self.rpc = Tally()
        self._figures = RecentFigures(figures)
        self._streams = streams
        self._version = version
        self._process: CollectorRegistry | None = None
        self._writer: ThreadPoolExecutor | None = None

    async def text(self, *, by: Principal) -> bytes:
        """For callers of the operator's own: the figures are those of all tenants.

        Without the store what the process knows itself. Raises `MissingScope`.
        """
        refuse_guests(by, Scope.METRICS_READ)
        figures, streams = await self._figures.now(), self._streams()
        # Tens of milliseconds when every route was asked for: requests of others go on meanwhile. Not on a
        # thread of the pool: slow tools of a worker in the same process may hold all of them.
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, thread_name_prefix="metrics")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writer, self._written, figures, streams)

    async def close(self) -> None:
        """Asks the store no more."""
        await self._figures.close()
        if self._writer is not None:
            self._writer.shutdown(wait=False)
            self._writer = None

    def _written(self, figures: Figures | None, streams: int) -> bytes:
        # Imported here: who is never scraped needs none of it.
        from prometheus_client import generate_latest

        from ops_core.metrics import families

        def collected() -> "Iterator[Metric]":
            yield from families.of_process(self._version, streams)
            yield from families.of_rest(self.rest)
            yield from families.of_rpc(self.rpc)
            yield from families.of_store(figures)
            yield from self._system().collect()

        return generate_latest(_Collected(collected))

    def _system(self) -> "CollectorRegistry":
        """CPU, memory and files of the process, in a registry of its own: the library's is everybody's."""
        if self._process is None:
            from prometheus_client import CollectorRegistry, ProcessCollector

            self._process = CollectorRegistry()
            ProcessCollector(registry=self._process)
        return self._process


class _Collected:
    """What the library asks for metrics."""

    def __init__(self, collect: "Callable[[], Iterator[Metric]]") -> None:
        self.collect = collect
