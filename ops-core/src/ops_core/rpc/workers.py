"""`WorkerService` of workers.proto: each method one call of the service."""

from typing import Final

from ops_core.fleet import FleetService, SeenWorker, WorkerState
from ops_core.rpc.admission import Context, principal
from ops_core.rpc.identity_convert import list_query
from ops_core.rpc.v1 import workers_pb2, workers_pb2_grpc

_STATES: Final = {
    WorkerState.ALIVE: workers_pb2.WORKER_STATE_ALIVE,
    WorkerState.DRAINING: workers_pb2.WORKER_STATE_DRAINING,
    WorkerState.LOST: workers_pb2.WORKER_STATE_LOST,
}


class Workers(workers_pb2_grpc.WorkerServiceServicer):
    """Raises our errors as they are: `Calls` turns them into statuses."""

    def __init__(self, service: FleetService) -> None:
        self._service = service

    async def ListWorkers(  # noqa: N802  # the names are the contract's
        self, request: workers_pb2.ListWorkersRequest, context: Context
    ) -> workers_pb2.ListWorkersResponse:
        query = list_query(request)
        page = await self._service.page(
            by=principal(context), limit=query.limit, cursor=query.cursor
        )
        return workers_pb2.ListWorkersResponse(
            workers=[_message(worker) for worker in page.workers], next_cursor=page.next_cursor
        )

    async def GetWorker(  # noqa: N802
        self, request: workers_pb2.GetWorkerRequest, context: Context
    ) -> workers_pb2.GetWorkerResponse:
        worker = await self._service.get(request.worker_id, by=principal(context))
        return workers_pb2.GetWorkerResponse(worker=_message(worker))

    async def DrainWorker(  # noqa: N802
        self, request: workers_pb2.DrainWorkerRequest, context: Context
    ) -> workers_pb2.DrainWorkerResponse:
        worker = await self._service.drain(request.worker_id, by=principal(context))
        return workers_pb2.DrainWorkerResponse(worker=_message(worker))


def _message(worker: SeenWorker) -> workers_pb2.Worker:
    return workers_pb2.Worker(
        worker_id=worker.worker_id,
        state=_STATES[worker.state],
        host=worker.host,
        pid=worker.pid,
        version=worker.version,
        queues=worker.queues,
        alone=worker.alone,
        slots=worker.slots,
        running=worker.running,
        owned_tasks=worker.owned_tasks,
        started_at=worker.started_at,
        heartbeat_at=worker.heartbeat_at,
        drain_at=worker.drain_at,
    )
