"""The doors behind TLS: who gets in, and which files stop the start."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ops_core.api import create_app
from ops_core.rpc import create_server
from ops_core.service import TaskService
from ops_core.testing import MemoryStore, services_of
from opspawn.client import AsyncOpspawnClient, NotFound, Patience, Unreachable
from opspawn.doors import serve_rest
from opspawn.preconditions import StartError
from opspawn.settings import Settings, SettingsError, load
from opspawn.tls import grpc_credentials, open_port, rest_certificate
from support.certificates import Authority

Files = tuple[Path, Path]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def door(settings: Settings) -> AsyncIterator[str]:
    """The address of a gRPC door as a process opens it."""
    server = create_server(
        services_of(TaskService(MemoryStore(), {}, lambda _queue, _task_id: None))
    )
    port = open_port(server, settings)
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


def settings_of(files: Files, client_ca: Path | None = None) -> Settings:
    certificate, key = files
    return load(
        grpc_port=0, grpc_tls_cert=certificate, grpc_tls_key=key, grpc_tls_client_ca=client_ca
    )


async def answers(channel: grpc.aio.Channel) -> bool:
    """Whether a call gets through, whatever it is answered with."""
    async with channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
        except grpc.aio.AioRpcError as error:
            return error.code() is not grpc.StatusCode.UNAVAILABLE
        return True


def trusting(authority: Authority, files: Files | None = None) -> grpc.ChannelCredentials:
    roots = authority.certificate.read_bytes()
    if files is None:
        return grpc.ssl_channel_credentials(roots)
    certificate, key = (path.read_bytes() for path in files)
    return grpc.ssl_channel_credentials(roots, key, certificate)


async def test_only_tls_is_answered_where_there_is_a_certificate(authority: Authority) -> None:
    """A client without TLS gets nothing, not an answer that anybody could read."""
    async with door(settings_of(authority.sign("door"))) as address:
        assert await answers(grpc.aio.secure_channel(address, trusting(authority)))
        assert not await answers(grpc.aio.insecure_channel(address))


async def test_a_client_shows_a_certificate_where_that_is_asked(
    authority: Authority, tmp_path: Path
) -> None:
    """One of the authority that was named, and of no other."""
    stranger = Authority(tmp_path, "stranger")
    settings = settings_of(authority.sign("door"), authority.certificate)
    async with door(settings) as address:
        known, unknown = authority.sign("client"), stranger.sign("other")
        assert await answers(grpc.aio.secure_channel(address, trusting(authority, known)))
        assert not await answers(grpc.aio.secure_channel(address, trusting(authority)))
        assert not await answers(grpc.aio.secure_channel(address, trusting(authority, unknown)))


def test_without_a_certificate_there_is_no_tls() -> None:
    """As it was."""
    assert grpc_credentials(load()) is None


def test_files_that_do_not_fit_stop_the_start_with_one_line(
    authority: Authority, tmp_path: Path
) -> None:
    """It names the setting and the file, and shows nothing of what is in them."""
    certificate, key = authority.sign("door")
    _, other_key = authority.sign("other")
    text = tmp_path / "text.pem"
    text.write_text("no certificate", encoding="utf-8")
    wrong = [
        (settings_of((tmp_path / "none.pem", key)), "OPSPAWN_GRPC_TLS_CERT: .*none.pem cannot be"),
        (settings_of((certificate, tmp_path / "none.key")), "OPSPAWN_GRPC_TLS_KEY: .*none.key"),
        (settings_of((certificate, other_key)), "OPSPAWN_GRPC_TLS_CERT, OPSPAWN_GRPC_TLS_KEY: "),
        (settings_of((text, key)), "text.pem and .*door.key are not a certificate and its key"),
        (settings_of((certificate, key), text), "OPSPAWN_GRPC_TLS_CLIENT_CA: .*text.pem holds no"),
    ]
    for settings, expected in wrong:
        with pytest.raises(StartError, match=expected) as stopped:
            grpc_credentials(settings)
        assert "\n" not in str(stopped.value)


@pytest.mark.parametrize(
    ("given", "missing"),
    [("cert", "KEY"), ("key", "CERT"), ("client_ca", "CERT")],
)
def test_a_half_of_a_pair_is_refused(given: str, missing: str) -> None:
    """A door that was meant to have TLS must not open without."""
    with pytest.raises(SettingsError, match=f"is only of use with OPSPAWN_GRPC_TLS_{missing}"):
        load(**{f"grpc_tls_{given}": Path("x.pem")})


async def test_rest_is_answered_over_tls_to_those_who_trust_its_authority(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client of the package trusts those of SSL_CERT_FILE, also on its own machine, and no others."""
    certificate, key = authority.sign("door")
    settings = load(api_tls_cert=certificate, api_tls_key=key)
    assert settings.server_url.startswith("https://")
    services = services_of(TaskService(MemoryStore(), {}, lambda _queue, _task_id: None))
    stop = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        files = rest_certificate(settings)
        serving = asyncio.create_task(serve_rest(create_app(services), listening, stop, files))
        once = Patience(attempts=1)
        async with AsyncOpspawnClient(url, "k", patience=once) as stranger:
            with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
                await stranger.get("task_none")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
        async with AsyncOpspawnClient(url, "k", patience=once) as client:
            with pytest.raises(NotFound):
                await client.get("task_none")
        stop.set()
        await serving


def test_files_of_the_rest_door_that_do_not_fit_stop_the_start(authority: Authority) -> None:
    """By the names of its own settings; without any it has no TLS."""
    certificate, _ = authority.sign("door")
    _, other_key = authority.sign("other")
    with pytest.raises(StartError, match="OPSPAWN_API_TLS_CERT, OPSPAWN_API_TLS_KEY: "):
        rest_certificate(load(api_tls_cert=certificate, api_tls_key=other_key))
    with pytest.raises(StartError, match=r"OPSPAWN_API_TLS_KEY: none\.key cannot be read"):
        rest_certificate(load(api_tls_cert=certificate, api_tls_key=Path("none.key")))
    with pytest.raises(SettingsError, match="is only of use with OPSPAWN_API_TLS_KEY"):
        load(api_tls_cert=certificate)
    assert rest_certificate(load()) is None
