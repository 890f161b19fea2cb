"""The gRPC door: translates `TaskService` of tasks.proto to ours. No rule of the business is here."""

from ops_core.rpc.connections import Connections
from ops_core.rpc.server import create_server

__all__ = ["Connections", "create_server"]
