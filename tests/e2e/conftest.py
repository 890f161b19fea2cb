"""An Opspawn of the test's own: embedded, on ports of its own, with a model over HTTP."""

import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from opspawn.embedded import postgres
from support.command import Command, Start
from support.embedded_folder import copy_folder, open_folder
from support.model_server import ModelServer


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer().running() as model:
        yield model


@pytest.fixture(scope="session")
def used_dir() -> Iterator[Path]:
    """A data folder after its first start: copies of it start quickly."""
    with open_folder() as folder:
        with postgres(folder, print):
            pass
        yield folder


@pytest.fixture
def data_dir(used_dir: Path) -> Iterator[Path]:
    with open_folder() as folder:
        copy_folder(used_dir, folder)
        yield folder


@pytest.fixture
def environment(model: ModelServer, data_dir: Path) -> dict[str, str]:
    """A configuration of its own."""
    return {
        "OPSPAWN_DATA_DIR": str(data_dir),
        "OPSPAWN_API_PORT": str(_lasting_port()),
        "OPSPAWN_GRPC_PORT": str(_lasting_port()),
        **model.environment,
    }


@pytest.fixture
def start(tmp_path: Path, environment: dict[str, str]) -> Iterator[Start]:
    """Starts `opspawn …` with that configuration, and changes to it."""
    commands = []

    def start(*arguments: str, **changes: str) -> Command:
        command = Command(tmp_path, environment | changes, *arguments)
        commands.append(command)
        return command

    yield start
    for command in commands:
        command.close()


def _lasting_port() -> int:
    """A free port that no outgoing connection takes while a test restarts its server."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
