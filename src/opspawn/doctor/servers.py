"""Checks of the servers that Opspawn uses, and of the ports that it serves on."""

import asyncio
import errno
import os
import shutil
import socket
from pathlib import Path
from typing import Final

import asyncpg
import httpx2
import pika
import pika.exceptions

from opspawn import embedded, migrate
from opspawn.client.wire import authorities
from opspawn.database_errors import DATABASE_ERRORS, explain, place
from opspawn.doctor.check_error import CheckError
from opspawn.settings import Settings

#: Seconds for a server to answer: less than the doctor's patience, to say more than "late".
TIMEOUT_S: Final = 2.5

#: Seconds for whoever has our port to say that it is Opspawn, on this machine.
NEIGHBOUR_TIMEOUT_S: Final = 1.0

#: A new database takes 40 MB, its log of changes up to 1 GB under load. Megabytes.
NEEDED_DISK_MB: Final = 500


def database(settings: Settings) -> str:
    """Connects to the database and asks for its version; does not start the embedded one."""
    if settings.database_url is None:
        return _embedded(settings.data_dir)
    url = settings.database_url.get_secret_value()
    return f"PostgreSQL {_version(url)} at {place(url)}"


def migrations(settings: Settings) -> str:
    """Compares the schema of the database with the one that this build needs."""
    chosen = settings.database_direct_url or settings.database_url
    if chosen is not None:
        url, remedy = chosen.get_secret_value(), "run `opspawn migrate`"
    else:
        running = _look(settings.data_dir).url
        if running is None:
            return f"`opspawn up` brings the embedded database to {migrate.head()}"
        url, remedy = running, "start `opspawn up` again"
    try:
        found, needed = migrate.current(url)
    except DATABASE_ERRORS as error:
        raise CheckError(explain(error, url)) from None
    if found is None or migrate.is_behind(found):
        raise CheckError(f"the database is at {found or 'nothing'} and needs {needed}; {remedy}")
    if found != needed:
        return f"at {found}, made by a newer Opspawn; this one needs {needed}"
    return f"at {found}, as this version needs"


def broker(settings: Settings) -> str:
    """Opens and closes one connection to RabbitMQ."""
    if settings.rabbitmq_url is None:
        return "in process (RABBITMQ_URL is unset: right for `opspawn up`)"
    parameters = _amqp_parameters(settings.rabbitmq_url.get_secret_value())
    where = f"{parameters.host}:{parameters.port}, virtual host {parameters.virtual_host!r}"
    try:
        pika.BlockingConnection(parameters).close()
    except (
        pika.exceptions.ProbableAuthenticationError,
        pika.exceptions.AuthenticationError,
    ):
        raise CheckError(
            f"RabbitMQ at {where} refuses the user or the password; correct RABBITMQ_URL"
        ) from None
    except (
        pika.exceptions.ProbableAccessDeniedError,
        pika.exceptions.ConnectionClosedByBroker,
    ):
        raise CheckError(
            f"RabbitMQ at {where} does not let this user in; correct RABBITMQ_URL"
        ) from None
    except (pika.exceptions.AMQPError, OSError):
        raise CheckError(
            f"no RabbitMQ answers at {where}; start it, or correct RABBITMQ_URL"
        ) from None
    return f"RabbitMQ at {where}"


def rest_port(settings: Settings) -> str:
    """Free, or taken by an Opspawn."""
    return _port(settings, settings.api_port, "OPSPAWN_API_PORT")


def grpc_port(settings: Settings) -> str:
    """Free, or taken by an Opspawn (whose REST door tells)."""
    return _port(settings, settings.grpc_port, "OPSPAWN_GRPC_PORT")


def _embedded(data_dir: Path) -> str:
    state = _look(data_dir)
    name = f"embedded PostgreSQL {state.version}"
    if state.url is not None:
        _version(state.url)
        return f"{name}, running in {data_dir}"
    if state.is_held:
        raise CheckError(f"an Opspawn runs in {data_dir}, its PostgreSQL does not; start it again")
    existing = next(
        path for path in (data_dir.absolute(), *data_dir.absolute().parents) if path.exists()
    )
    if not os.access(existing, os.W_OK):
        raise CheckError(f"{existing} cannot be written; set OPSPAWN_DATA_DIR to a folder that can")
    free_mb = shutil.disk_usage(existing).free // 1_000_000
    if free_mb < NEEDED_DISK_MB:
        raise CheckError(
            f"{free_mb} MB free in {existing}, {NEEDED_DISK_MB} MB needed; make room, or set OPSPAWN_DATA_DIR"
        )
    return f"{name} ({state.programs}), data in {data_dir}; `opspawn up` starts it"


def _look(data_dir: Path) -> embedded.State:
    try:
        return embedded.look(data_dir)
    except embedded.EmbeddedError as error:
        raise CheckError(str(error)) from None


def _version(url: str) -> str:
    async def ask() -> str:
        dsn = url.replace("postgresql+asyncpg://", "postgresql://", 1)
        connection = await asyncpg.connect(dsn, timeout=TIMEOUT_S)
        try:
            return str(await connection.fetchval("SHOW server_version", timeout=TIMEOUT_S))
        finally:
            connection.terminate()

    try:
        return asyncio.run(ask())
    except DATABASE_ERRORS as error:
        raise CheckError(explain(error, url)) from None


def _amqp_parameters(url: str) -> pika.URLParameters:
    try:
        parameters = pika.URLParameters(url)
    except (ValueError, TypeError):
        raise CheckError(
            "RABBITMQ_URL: must look like amqp://user:password@host:5672/vhost"
        ) from None
    parameters.socket_timeout = TIMEOUT_S
    parameters.stack_timeout = TIMEOUT_S
    parameters.blocked_connection_timeout = TIMEOUT_S
    parameters.connection_attempts = 1
    return parameters


def _port(settings: Settings, port: int, key: str) -> str:
    if port == 0:
        return "any free port"
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        with socket.create_server((settings.host, port), family=family):
            return f"{settings.host}:{port} is free"
    except socket.gaierror:
        raise CheckError(f"OPSPAWN_HOST: {settings.host} is not known") from None
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise CheckError(
                f"{settings.host}:{port}: {error.strerror}; set OPSPAWN_HOST or {key}"
            ) from None
    if _is_opspawn(settings.server_url):
        return f"{settings.host}:{port} is in use while Opspawn runs"
    raise CheckError(f"{settings.host}:{port} is taken by another program; set {key}")


def _is_opspawn(url: str) -> bool:
    try:
        answer = httpx2.get(
            f"{url}/openapi.json",
            timeout=NEIGHBOUR_TIMEOUT_S,
            trust_env=False,
            verify=authorities(url),
        )
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError):
        return False
    return answer.is_success and "/api/v1/tasks/" in answer.text
