"""gRPC's standard health service (grpc.health.v1): its answer is the same readiness as `/ready`."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Set
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ops_core.readiness import Probe, readiness

Context = grpc.aio.ServicerContext[Any, Any]
Response: TypeAlias = health_pb2.HealthCheckResponse

#: How soon whoever watches learns of a change. Seconds.
WATCH_INTERVAL_S: Final = 2.0


class Health(health_pb2_grpc.HealthServicer):
    """Asks the probes at each check, so nothing has to run beside the server to keep it true.

    `services`: the names that may be asked for; the empty one is the server as a whole.
    """

    def __init__(
        self,
        services: Set[str],
        probes: Mapping[str, Probe],
        *,
        watch_interval_s: float = WATCH_INTERVAL_S,
    ) -> None:
        self._services = services
        self._probes = probes
        self._watch_interval_s = watch_interval_s

    async def Check(  # noqa: N802  # the name is the contract's
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> Response:
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no such service.")
        return await self._answer()

    async def Watch(  # noqa: N802
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> AsyncIterator[Response]:
        """The status now, and again each time it has changed, until the client goes."""
        if request.service not in self._services:
            yield Response(status=Response.SERVICE_UNKNOWN)
            await asyncio.Event().wait()  # for ever: by its contract the call stays open
        last = None
        while True:
            answer = await self._answer()
            if answer != last:
                yield answer
            last = answer
            await asyncio.sleep(self._watch_interval_s)

    async def _answer(self) -> Response:
        works = await readiness(self._probes)
        return Response(status=Response.SERVING if all(works.values()) else Response.NOT_SERVING)
