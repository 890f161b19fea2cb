"""The health checks of the image, against doors and databases that are well or not."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from support.databases import Databases

#: The heartbeat of a worker on this host.
BEAT = """
INSERT INTO worker (tenant_id, worker_id, queues, slots, running, started_at, heartbeat_at)
VALUES ('default', '{host}-1-abc', ARRAY['default'], 1, 0, ops_now(), ops_now() - interval '{age_s} s')
"""

SCRIPT = Path(__file__).resolve().parents[2] / "docker" / "health.py"


def healthy(process: str, **environment: str) -> bool:
    done = subprocess.run(
        [sys.executable, SCRIPT, process],
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


@contextmanager
def door(status: int) -> Iterator[str]:
    """An HTTP server that answers `/ready` so; yields its port."""

    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/ready" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Ready) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield str(server.server_port)
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("status", "expected"), [(200, True), (503, False)])
def test_a_rest_door_is_healthy_when_it_is_ready(status: int, expected: bool) -> None:
    with door(status) as port:
        assert expected == healthy("api", OPSPAWN_API_PORT=port)


@pytest.mark.parametrize(("status", "expected"), [("SERVING", True), ("NOT_SERVING", False)])
def test_a_grpc_door_is_healthy_when_it_serves(status: str, expected: bool) -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    service = health.HealthServicer()
    service.set("", health_pb2.HealthCheckResponse.ServingStatus.Value(status))
    health_pb2_grpc.add_HealthServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        assert expected == healthy("grpc", OPSPAWN_GRPC_PORT=str(port))
    finally:
        server.stop(None).wait()


@pytest.mark.parametrize(("age_s", "expected"), [(1, True), (60, False)])
def test_a_worker_is_healthy_while_its_heartbeat_advances(
    databases: Databases, database_url: str, age_s: int, expected: bool
) -> None:
    databases.run(database_url, BEAT.format(host=socket.gethostname(), age_s=age_s))
    assert expected == healthy("worker", DATABASE_URL=database_url)


def test_a_worker_that_never_came_up_is_not_healthy(database_url: str) -> None:
    assert not healthy("worker", DATABASE_URL=database_url)


def test_a_dispatcher_needs_its_database_and_its_broker(database_url: str) -> None:
    with door(200) as port:
        there = f"amqp://guest:guest@127.0.0.1:{port}/"
        assert healthy("dispatcher", DATABASE_URL=database_url, RABBITMQ_URL=there)
    gone = f"amqp://guest:guest@127.0.0.1:{port}/"
    assert not healthy("dispatcher", DATABASE_URL=database_url, RABBITMQ_URL=gone)
