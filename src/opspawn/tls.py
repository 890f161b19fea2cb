"""The certificates of the doors, read and tried before they open."""

import ssl
from pathlib import Path

import grpc
import grpc.aio

from opspawn.doors import host_of
from opspawn.preconditions import StartError
from opspawn.settings import Settings


def open_port(server: grpc.aio.Server, settings: Settings) -> int:
    """Lets the server listen, behind TLS where there is a certificate; its port. Raises `StartError`."""
    credentials = grpc_credentials(settings)
    address = f"{host_of(settings)}:{settings.grpc_port}"
    if credentials is None:
        return server.add_insecure_port(address)
    return server.add_secure_port(address, credentials)


def rest_certificate(settings: Settings) -> tuple[Path, Path] | None:
    """What the REST door proves itself with, and its key; None: without TLS. Raises `StartError`."""
    certificate, key = settings.api_tls_cert, settings.api_tls_key
    if certificate is None or key is None:
        return None
    _read("OPSPAWN_API_TLS_KEY", key)
    _read("OPSPAWN_API_TLS_CERT", certificate)
    _check_pair("OPSPAWN_API_TLS", certificate, key)
    return certificate, key


def grpc_credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """What the door proves itself with, and asks of clients; None: without TLS. Raises `StartError`."""
    certificate, key = settings.grpc_tls_cert, settings.grpc_tls_key
    if certificate is None or key is None:
        return None
    pair = _read("OPSPAWN_GRPC_TLS_KEY", key), _read("OPSPAWN_GRPC_TLS_CERT", certificate)
    authority = settings.grpc_tls_client_ca
    roots = None if authority is None else _read("OPSPAWN_GRPC_TLS_CLIENT_CA", authority)
    # gRPC takes anything, and refuses every client later.
    _check_pair("OPSPAWN_GRPC_TLS", certificate, key)
    if authority is not None:
        _check_authority(authority)
    return grpc.ssl_server_credentials(
        [pair], root_certificates=roots, require_client_auth=roots is not None
    )


def _read(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StartError(f"{name}: {path} cannot be read ({error.strerror}).") from None


def _check_pair(names: str, certificate: Path, key: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # An empty password: a key that has one is refused instead of asked for on a terminal.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        raise StartError(
            f"{names}_CERT, {names}_KEY: {certificate} and {key} are not a "
            f"certificate and its key without a password, both in PEM ({_why(error)})."
        ) from None


def _check_authority(path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(path)
    except (ssl.SSLError, ValueError) as error:
        raise StartError(
            f"OPSPAWN_GRPC_TLS_CLIENT_CA: {path} holds no certificates in PEM ({_why(error)})."
        ) from None


def _why(error: Exception) -> str:
    return getattr(error, "reason", None) or str(error) or type(error).__name__
