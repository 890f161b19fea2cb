"""The servers of docker-compose.yml, for a machine with a Docker engine. A pytest plugin over pytest-docker.

pytest-docker's `docker_services` is asked for only when the engine answers: asking starts the containers.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent

#: Passwords of servers that live as long as the tests do.
SECRETS = HERE / "docker.env"


def engine_answers() -> bool:
    """Whether containers can be started: the client alone is on many machines without an engine."""
    return _works("docker", "info") and _works("docker", "compose", "version")


def docker_url(services: Any, service: str) -> str:
    """The URL of `postgres` or `rabbitmq` in the containers that `docker_services` started."""
    values = dotenv_values(SECRETS)
    if service == "postgres":
        port = services.port_for("postgres", 5432)
        password = values["POSTGRES_PASSWORD"]
        return f"postgresql+asyncpg://opspawn:{password}@127.0.0.1:{port}/postgres"
    port = services.port_for("rabbitmq", 5672)
    return f"amqp://opspawn:{values['RABBITMQ_PASSWORD']}@127.0.0.1:{port}/%2F"


@pytest.fixture(scope="session")
def docker_compose_command() -> str:
    return f'docker compose --env-file "{SECRETS}"'


@pytest.fixture(scope="session")
def docker_compose_file() -> list[str]:
    # The project's own file; the second one only publishes the two servers on free ports.
    return [str(ROOT / "docker-compose.yml"), str(HERE / "docker-compose.servers.yml")]


@pytest.fixture(scope="session")
def docker_setup() -> str:
    return "up --detach --wait postgres rabbitmq"


def _works(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    try:
        done = subprocess.run(command, capture_output=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
