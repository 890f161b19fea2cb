"""The installation: what it is made of, and what of it is away."""

from ops_core.errors.kinds import CallerError, OpsError, Unavailable


class StoreUnavailable(Unavailable):
    """PostgreSQL cannot be reached, or did not answer in time."""

    type = "store_unavailable"


class BrokerUnavailable(Unavailable):
    """The broker cannot be reached; the dispatcher rings again, so no task is lost."""

    type = "broker_unavailable"


class WorkerNotFound(CallerError):
    """There is no such worker, or it has gone."""

    type = "worker_not_found"

    def __init__(self, worker_id: str) -> None:
        super().__init__(
            f"There is no worker {worker_id[:200]!r}; one that has stopped is not kept on the list."
        )


class CannotIsolate(OpsError):
    """The process that runs suspects could not be started; they wait."""
