"""The workers of an installation, as its operator sees them."""

from ops_core.fleet.port import FleetStore, SeenWorker, WorkerPage, WorkerState
from ops_core.fleet.service import FleetService

__all__ = ["FleetService", "FleetStore", "SeenWorker", "WorkerPage", "WorkerState"]
