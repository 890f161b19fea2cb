"""Puts the gRPC door together."""

from collections.abc import Mapping
from typing import Any, Final

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.reflection import SERVICE_NAME as REFLECTION_NAME
from grpc_reflection.v1alpha.reflection import enable_server_reflection

from ops_core.readiness import Probe
from ops_core.rpc.agents import Agents
from ops_core.rpc.api_keys import ApiKeys
from ops_core.rpc.approvals import Approvals
from ops_core.rpc.audit import Audit
from ops_core.rpc.calls import Calls
from ops_core.rpc.connections import Connections
from ops_core.rpc.health import Health
from ops_core.rpc.limits import Budgets, Limits
from ops_core.rpc.memories import Memories
from ops_core.rpc.parsing import parsing
from ops_core.rpc.registering import Registering
from ops_core.rpc.schedules import Schedules
from ops_core.rpc.tasks import Tasks
from ops_core.rpc.tenants import Tenants
from ops_core.rpc.threads import Threads
from ops_core.rpc.v1 import (
    agents_pb2,
    agents_pb2_grpc,
    approvals_pb2,
    approvals_pb2_grpc,
    identity_pb2,
    identity_pb2_grpc,
    limits_pb2,
    limits_pb2_grpc,
    memories_pb2,
    memories_pb2_grpc,
    schedules_pb2,
    schedules_pb2_grpc,
    tasks_pb2,
    tasks_pb2_grpc,
    threads_pb2,
    threads_pb2_grpc,
    webhooks_pb2,
    webhooks_pb2_grpc,
    workers_pb2,
    workers_pb2_grpc,
)
from ops_core.rpc.webhooks import Webhooks
from ops_core.rpc.workers import Workers
from ops_core.services import Services

SERVICE_NAMES: Final = frozenset(
    service.full_name
    for file in (
        tasks_pb2,
        approvals_pb2,
        agents_pb2,
        threads_pb2,
        memories_pb2,
        schedules_pb2,
        limits_pb2,
        identity_pb2,
        webhooks_pb2,
        workers_pb2,
    )
    for service in file.DESCRIPTOR.services_by_name.values()
)
HEALTH_NAME: Final = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name


def create_server(
    services: Services,
    *,
    probes: Mapping[str, Probe] | None = None,
    reflection: bool = False,
    max_message_bytes: int = 1_048_576,
    connections: Connections = Connections(),  # noqa: B008  # frozen
) -> grpc.aio.Server:
    """A server without a port: call it on the running loop, add ports, start it.

    `probes`: what must work for the health service to say SERVING. A request larger than
    `max_message_bytes` is RESOURCE_EXHAUSTED.
    """
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", max_message_bytes),
            # Otherwise a second server on a port that is taken starts, and gets half of the calls.
            ("grpc.so_reuseport", 0),
            *connections.options(),
        ],
    )
    _add(services, Registering(server, Calls(services.gate, services.metrics.rpc).wrapped))
    health = Health(frozenset({"", *SERVICE_NAMES}), probes or {})
    others: Any = Registering(server, lambda _path, handler: parsing(handler))  # for a server
    health_pb2_grpc.add_HealthServicer_to_server(health, others)
    if reflection:
        enable_server_reflection((*SERVICE_NAMES, HEALTH_NAME, REFLECTION_NAME), server)
    return server


def _add(services: Services, server: Registering) -> None:
    tasks: Any = tasks_pb2_grpc  # generated without types
    approvals: Any = approvals_pb2_grpc
    identity: Any = identity_pb2_grpc
    tasks.add_TaskServiceServicer_to_server(Tasks(services), server)
    approvals.add_ApprovalServiceServicer_to_server(Approvals(services), server)
    identity.add_ApiKeyServiceServicer_to_server(ApiKeys(services.keys), server)
    identity.add_TenantServiceServicer_to_server(Tenants(services.tenants), server)
    identity.add_AuditServiceServicer_to_server(Audit(services.audit), server)
    schedules: Any = schedules_pb2_grpc
    agents: Any = agents_pb2_grpc
    threads: Any = threads_pb2_grpc
    schedules.add_ScheduleServiceServicer_to_server(Schedules(services.schedules), server)
    agents.add_AgentServiceServicer_to_server(Agents(services.agents), server)
    threads.add_ThreadServiceServicer_to_server(Threads(services.threads), server)
    webhooks: Any = webhooks_pb2_grpc
    webhooks.add_WebhookServiceServicer_to_server(Webhooks(services.webhooks), server)
    limits: Any = limits_pb2_grpc
    limits.add_LimitServiceServicer_to_server(Limits(services.limits), server)
    limits.add_BudgetServiceServicer_to_server(Budgets(services.budgets), server)
    memories: Any = memories_pb2_grpc
    memories.add_MemoryServiceServicer_to_server(Memories(services.memories), server)
    workers: Any = workers_pb2_grpc
    workers.add_WorkerServiceServicer_to_server(Workers(services.fleet), server)
