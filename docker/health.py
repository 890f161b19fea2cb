"""Container health: `python health.py api|grpc|worker|dispatcher`. Silent and 0 when healthy.

It asks for what the process is there to do, not whether it exists: a door answers, a worker's heartbeat
advances. A dispatcher answers nobody, so only that it is not frozen and that its database and broker can be
reached is checked.
"""

import asyncio
import os
import socket
import ssl
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 5.0

#: As the store decides it: by the database's clock, against the worker's time to live (10 s by default).
HEARTBEAT = """
SELECT count(*) FROM worker
WHERE worker_id LIKE $1 AND heartbeat_at > ops_now() - make_interval(secs => $2)
"""


def to_itself() -> ssl.SSLContext:
    """Asks whoever listens here, which is ourselves: under 127.0.0.1, a name that no certificate has.

    Nothing secret is sent, and the answer is believed no more than one without TLS would be.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def api() -> None:
    port = os.environ.get("OPSPAWN_API_PORT", "8000")
    # Raises for 503, the answer of a door whose store or broker is away.
    if os.environ.get("OPSPAWN_API_TLS_CERT"):
        url = f"https://127.0.0.1:{port}/ready"
        urllib.request.urlopen(url, timeout=TIMEOUT_S, context=to_itself()).close()
    else:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=TIMEOUT_S).close()


def grpc() -> None:
    port = os.environ.get("OPSPAWN_GRPC_PORT", "50051")
    if os.environ.get("OPSPAWN_GRPC_TLS_CERT"):
        _greets(int(port))
    else:
        _serves(port)


def _greets(port: int) -> None:
    """A door may ask for a client's certificate, and we have none: that it speaks h2 over TLS is enough."""
    context = to_itself()
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as plain,
        context.wrap_socket(plain) as greeted,
    ):
        if greeted.selected_alpn_protocol() != "h2":
            sys.exit("who answers is no gRPC door")


def _serves(port: str) -> None:
    # Imported here: the other checks have no use for it, and each check is a new process.
    import grpc as library
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with library.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        sys.exit("the gRPC door says that it is not serving")


def worker() -> None:
    async def beats() -> int:
        import asyncpg

        url = urlsplit(os.environ["DATABASE_URL"])._replace(scheme="postgresql").geturl()
        connection = await asyncpg.connect(url, timeout=TIMEOUT_S)
        try:
            ttl_s = float(os.environ.get("OPSPAWN_HEARTBEAT_TTL_S") or 10)
            # A worker's id begins with its host, which is its container.
            return int(await connection.fetchval(HEARTBEAT, f"{socket.gethostname()}-%", ttl_s))
        finally:
            await connection.close()

    if asyncio.run(beats()) == 0:
        sys.exit("the worker's heartbeat does not advance")


def dispatcher() -> None:
    for key, default in (("DATABASE_URL", 5432), ("RABBITMQ_URL", 5672)):
        url = urlsplit(os.environ[key])
        address = (url.hostname or "", url.port or default)
        socket.create_connection(address, timeout=TIMEOUT_S).close()
    state = Path("/proc/1/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    if state in "TtZX":
        sys.exit(f"the process is not running (state {state})")


if __name__ == "__main__":
    {"api": api, "grpc": grpc, "worker": worker, "dispatcher": dispatcher}[sys.argv[1]]()
