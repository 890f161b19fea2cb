"""The health checks of the doors' containers, run as these run them, against doors with TLS."""

import asyncio
import os
import socket
import sys
from pathlib import Path

from ops_core.api import create_app
from ops_core.rpc import create_server
from ops_core.service import TaskService
from ops_core.services import Services
from ops_core.testing import MemoryStore, services_of
from opspawn.doors import serve_rest
from opspawn.settings import load
from opspawn.tls import open_port
from support.certificates import Authority

HEALTH = Path(__file__).resolve().parents[2] / "docker" / "health.py"


async def is_healthy(service: str, **environment: str) -> bool:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, HEALTH, service),
        env={"PATH": os.defpath, **environment},
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait() == 0


def services() -> Services:
    return services_of(TaskService(MemoryStore(), {}, lambda _queue, _task_id: None))


async def test_a_rest_door_behind_tls_is_asked_over_tls(tmp_path: Path) -> None:
    """Whoever signed its certificate; a door without, where there should be one, is not healthy."""
    files = certificate, _ = Authority(tmp_path).sign("door")
    given = {"OPSPAWN_API_TLS_CERT": str(certificate)}
    stop = asyncio.Event()
    with (
        socket.create_server(("127.0.0.1", 0)) as tls,
        socket.create_server(("127.0.0.1", 0)) as plain,
    ):
        both = [
            asyncio.create_task(serve_rest(create_app(services()), tls, stop, files)),
            asyncio.create_task(serve_rest(create_app(services()), plain, stop)),
        ]
        ports = [str(door.getsockname()[1]) for door in (tls, plain)]
        checks = [is_healthy("api", OPSPAWN_API_PORT=port, **given) for port in ports]
        assert [True, False] == await asyncio.gather(*checks)
        stop.set()
        await asyncio.gather(*both)


async def test_a_grpc_door_behind_tls_is_asked_over_tls(tmp_path: Path) -> None:
    """Also one that asks clients for certificates, which the check has none of."""
    authority = Authority(tmp_path)
    certificate, key = authority.sign("door")
    settings = load(
        grpc_port=0,
        grpc_tls_cert=certificate,
        grpc_tls_key=key,
        grpc_tls_client_ca=authority.certificate,
    )
    server = create_server(services())
    given = {"OPSPAWN_GRPC_TLS_CERT": str(certificate)}
    port = open_port(server, settings)
    await server.start()
    assert await is_healthy("grpc", OPSPAWN_GRPC_PORT=str(port), **given)
    await server.stop(None)
    assert not await is_healthy("grpc", OPSPAWN_GRPC_PORT=str(port), **given)
