"""The gRPC door: translates `TaskService` of tasks.proto to ours. No rule of the business is here."""

from ops_core.rpc.server import create_server

__all__ = ["create_server"]
