"""What keeps a process from starting is told in one line that names the setting, and in seconds."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from support.opspawn_processes import Processes, processes

pytestmark = pytest.mark.e2e

#: A port of this machine where nobody listens.
NO_DATABASE = "postgresql://nobody:secret-password@127.0.0.1:1/none"
NO_BROKER = "amqp://nobody:secret-password@127.0.0.1:1/%2F"


#: A toolset whose server is away.
SHUT = """
from agentkit import Toolset, tool

class Shut(Toolset):
    async def open(self):
        raise OSError("no licence")

    @tool(effect="pure")
    async def look(self) -> str:
        \"\"\"Look.\"\"\"
        return "seen"

tools = Shut("shut")
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Processes]:
    with processes(tmp_path, {}) as started:
        yield started


def _refused(home: Processes, command: str, names: str, **environment: str) -> int:
    """The command ends by itself, with one line that names the setting and no secret. Returns its code."""
    ended = home.run(command, **environment)
    assert 0 != ended.returncode
    lines = [line for line in ended.stderr.splitlines() if line.startswith("opspawn:")]
    assert 1 == len(lines), ended.stderr
    assert names in lines[0]
    assert "Traceback" not in ended.stderr
    assert "secret-password" not in ended.stderr
    return ended.returncode


@pytest.mark.parametrize("command", ["api", "grpc", "worker", "dispatcher", "migrate", "up"])
def test_a_database_that_is_away(home: Processes, command: str) -> None:
    """Every process says that it cannot reach DATABASE_URL."""
    _refused(home, command, "DATABASE_URL", DATABASE_URL=NO_DATABASE, RABBITMQ_URL=NO_BROKER)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"database": "nowhere"}, "There is no database at"),
        ({"username": "nobody", "password": "secret-password"}, "refuses the user or the password"),
    ],
)
@pytest.mark.parametrize("command", ["api", "grpc", "worker", "dispatcher", "migrate"])
def test_a_database_that_lets_nobody_in(
    home: Processes, command: str, wrong: dict[str, Any], said: str, database_url: str
) -> None:
    """Every process says the same of a wrong password, user or name."""
    url = make_url(database_url).set(**wrong).render_as_string(hide_password=False)
    _refused(home, command, said, DATABASE_URL=url, RABBITMQ_URL=NO_BROKER)


@pytest.mark.parametrize("command", ["worker", "dispatcher"])
def test_a_broker_that_is_away(home: Processes, command: str, database_url: str) -> None:
    """A process that lives by the broker says that it cannot reach RABBITMQ_URL."""
    _refused(home, command, "RABBITMQ_URL", DATABASE_URL=database_url, RABBITMQ_URL=NO_BROKER)


@pytest.mark.parametrize(
    ("command", "setting", "value", "said"),
    [
        (
            "worker",
            "OPSPAWN_MCP_SERVERS",
            "servers.yaml",
            "servers.yaml: servers.a.comand: Extra inputs are not permitted",
        ),
        (
            "up",
            "OPSPAWN_TOOLS",
            "no_such_module:tools",
            "no_such_module:tools: ModuleNotFoundError: ",
        ),
    ],
)
def test_what_agents_cannot_work_with(
    home: Processes, tmp_path: Path, command: str, setting: str, value: str, said: str
) -> None:
    """A worker says where the mistake is before it opens anything: it is a wrong setting."""
    (tmp_path / "servers.yaml").write_text("servers: {a: {comand: secret-password}}")
    servers = {"DATABASE_URL": NO_DATABASE, "RABBITMQ_URL": NO_BROKER}
    given = {**servers, setting: value}
    assert 64 == _refused(home, command, f"{setting}: {said}", **given)


def test_tools_that_cannot_be_opened(home: Processes, tmp_path: Path, database_url: str) -> None:
    """What fails only then ends the start as well: nobody is told that it is up."""
    (tmp_path / "shut.py").write_text(SHUT)
    given = {
        "DATABASE_URL": database_url,
        "PYTHONPATH": str(tmp_path),
        "OPSPAWN_TOOLS": "shut:tools",
    }
    ended = home.run("up", OPSPAWN_API_PORT="0", OPSPAWN_GRPC_PORT="0", **given)
    assert (69, False) == (ended.returncode, "Opspawn is up" in ended.stderr)
    assert "OPSPAWN_TOOLS: shut:tools: OSError: no licence" in ended.stderr


def test_separate_workers_with_a_memory_in_a_folder(home: Processes) -> None:
    """A worker that would not see what the others save does not start; the remedy is named."""
    assert 64 == _refused(
        home,
        "worker",
        "AGENTKIT_LTM_CHROMA_URL is not set",
        DATABASE_URL=NO_DATABASE,
        RABBITMQ_URL=NO_BROKER,
        AGENTKIT_LTM_PROVIDER="chroma",
    )


def test_a_database_without_tables(home: Processes, empty_database_url: str) -> None:
    """A database that was never migrated is told to be migrated."""
    _refused(
        home, "api", "opspawn migrate", DATABASE_URL=empty_database_url, RABBITMQ_URL=NO_BROKER
    )


@pytest.mark.parametrize(
    ("command", "setting"), [("api", "OPSPAWN_API_PORT"), ("grpc", "OPSPAWN_GRPC_PORT")]
)
def test_a_port_that_is_taken(
    home: Processes, command: str, setting: str, database_url: str
) -> None:
    """A taken port is named with the setting that chooses another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environment = {"DATABASE_URL": database_url, "RABBITMQ_URL": NO_BROKER, setting: port}
        _refused(home, command, setting, **environment)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("DATABASE_URL", "mysql://x"),
        ("RABBITMQ_URL", "http://x"),
        ("OPSPAWN_API_PORT", "many"),
        ("AGENTKIT_LLM_PROVIDER", "nobody"),
        ("OPSPAWN_WORKER_SLOTS", "0"),
        ("DATABASE_URL", "postgresql://nobody:secret-password@127.0.0.1:port/none"),
        ("RABBITMQ_URL", "amqp://nobody:secret-password@127.0.0.1:port/%2F"),
        ("OPSPAWN_WORKER_QUEUES", ","),
        ("OPSPAWN_RECONNECT_GRACE_S", "0.1"),
    ],
)
def test_a_wrong_setting(home: Processes, setting: str, value: str) -> None:
    """A wrong value stops the start with the name of its key."""
    assert 64 == _refused(home, "up", setting, **{setting: value})
