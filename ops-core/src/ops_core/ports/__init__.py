"""What `ops_core` asks of others. Each port has a fake in `ops_core.testing` and a conformance suite.

The store is three ports because three processes with three rights use it: the doors act for one tenant, a
worker acts for the tasks it owns, upkeep acts for everybody.
"""

from ops_core.ports.doors import Decide, TaskFilter, TaskPage, TaskStore
from ops_core.ports.handlers import Purse, TaskHandler, TaskLog
from ops_core.ports.task_types import AgentKind, TaskType
from ops_core.ports.upkeep import Bell, PutOff, TakenRings, TaskKey, UpkeepStore
from ops_core.ports.workers import (
    ORDINARY,
    Append,
    Appended,
    ChildEnd,
    Ending,
    Exchange,
    Lease,
    Orders,
    Profile,
    WorkerStore,
)

__all__ = [
    "ORDINARY",
    "AgentKind",
    "Append",
    "Appended",
    "Bell",
    "ChildEnd",
    "Decide",
    "Ending",
    "Exchange",
    "Lease",
    "Orders",
    "Profile",
    "Purse",
    "PutOff",
    "TakenRings",
    "TaskFilter",
    "TaskHandler",
    "TaskKey",
    "TaskLog",
    "TaskPage",
    "TaskStore",
    "TaskType",
    "UpkeepStore",
    "WorkerStore",
]
