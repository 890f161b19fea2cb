"""Fixtures that give tests a real PostgreSQL and a real RabbitMQ. A pytest plugin, loaded for all tests.

| fixture | scope | what it is |
|---|---|---|
| `database_url` | function | a fresh, migrated database: postgresql+asyncpg://… |
| `empty_database_url` | function | a fresh database without our schema |
| `new_database` | module | makes such databases: `new_database()`, `new_database(migrated=False)` |
| `postgres_server` · `rabbitmq_url` | session | the servers that all tests share; do not stop them |
| `own_postgres` · `own_rabbitmq` | function | start one for this test: `.stop .start .kill .freeze .thaw` |

Where a server comes from, in this order: DATABASE_URL / RABBITMQ_URL; Docker, when an engine answers; the
programs on this machine; Debian's packages, when we are root. Otherwise the test fails and says what to run.
Servers of one test are always private processes: nobody else's server is stopped or frozen.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import pytest

from support.docker_servers import docker_url, engine_answers
from support.local_servers import local_postgres, local_rabbitmq
from support.postgres_server import PostgresServer
from support.rabbitmq_server import RabbitmqServer
from support.server_process import ServerUnavailable

if TYPE_CHECKING:  # imports opspawn, which the tests of the libraries do without
    from support.databases import Databases

T = TypeVar("T")

#: The servers that the environment names.
GIVEN = pytest.StashKey[dict[str, str | None]]()

Say = Callable[[str], None]


class NewDatabase(Protocol):
    def __call__(self, *, migrated: bool = True) -> str: ...


@dataclass(frozen=True, slots=True)
class SharedServer:
    """A server that all tests share; `url` is its administrator's."""

    url: str


def pytest_configure(config: pytest.Config) -> None:
    """Takes the servers out of the environment: only a test that asks for one may reach it."""
    names = ("DATABASE_URL", "RABBITMQ_URL")
    config.stash[GIVEN] = {name: os.environ.pop(name, None) for name in names}


@pytest.fixture(scope="session")
def say_server(request: pytest.FixtureRequest) -> Say:
    """Prints a line past pytest's capture: starting or installing a server takes seconds to minutes."""
    reporter = request.config.pluginmanager.getplugin("terminalreporter")
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        if reporter is not None and capture is not None:
            with capture.global_and_fixture_disabled():
                reporter.ensure_newline()
                reporter.write_line(f"→ {line}")

    return say


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest, say_server: Say) -> Iterator[SharedServer]:
    given = request.config.stash[GIVEN]["DATABASE_URL"]
    with ExitStack() as stack:
        url = given or _from_docker(request, "postgres", say_server)
        if given:
            say_server("PostgreSQL: the server of DATABASE_URL")
        if not url:
            url = _or_fail(lambda: stack.enter_context(local_postgres(say_server)).url)
        yield SharedServer(url)


@pytest.fixture(scope="session")
def rabbitmq_url(request: pytest.FixtureRequest, say_server: Say) -> Iterator[str]:
    given = request.config.stash[GIVEN]["RABBITMQ_URL"]
    with ExitStack() as stack:
        url = given or _from_docker(request, "rabbitmq", say_server)
        if given:
            say_server("RabbitMQ: the server of RABBITMQ_URL")
        if not url:
            url = _or_fail(lambda: stack.enter_context(local_rabbitmq(say_server)).url)
        yield url


@pytest.fixture(scope="session")
def databases(postgres_server: SharedServer) -> Iterator["Databases"]:
    from support.databases import Databases

    databases = Databases(postgres_server.url)
    try:
        databases.run(postgres_server.url, "SELECT 1")
    except Exception as error:  # noqa: BLE001  # any of a dozen ways to be unreachable, told in one line
        pytest.fail(f"PostgreSQL cannot be used ({error}); is DATABASE_URL right?", pytrace=False)
    yield databases
    databases.close()


@pytest.fixture(scope="module")
def new_database(databases: "Databases") -> Iterator[NewDatabase]:
    made: list[str] = []

    def create(*, migrated: bool = True) -> str:
        made.append(databases.create(migrated=migrated))
        return made[-1]

    yield create
    for url in made:
        databases.drop(url)


@pytest.fixture
def database_url(databases: "Databases") -> Iterator[str]:
    url = databases.create()
    yield url
    databases.drop(url)


@pytest.fixture
def empty_database_url(databases: "Databases") -> Iterator[str]:
    url = databases.create(migrated=False)
    yield url
    databases.drop(url)


@pytest.fixture
def own_postgres(say_server: Say) -> Iterator[Callable[[], PostgresServer]]:
    with ExitStack() as stack:
        yield lambda: _or_fail(lambda: stack.enter_context(local_postgres(say_server)))


@pytest.fixture
def own_rabbitmq(say_server: Say) -> Iterator[Callable[[], RabbitmqServer]]:
    with ExitStack() as stack:
        yield lambda: _or_fail(lambda: stack.enter_context(local_rabbitmq(say_server)))


def _from_docker(request: pytest.FixtureRequest, service: str, say: Say) -> str | None:
    """None when no engine answers, or when it cannot start our containers (no images, say)."""
    if not engine_answers():
        return None
    say(f"{service}: starting the containers of docker-compose.yml")
    try:
        return docker_url(request.getfixturevalue("docker_services"), service)
    except Exception as error:  # noqa: BLE001  # pytest-docker raises bare Exception
        say(f"Docker answers but could not start them ({error}); using this machine's servers")
        return None


def _or_fail(provide: Callable[[], T]) -> T:
    try:
        return provide()
    except ServerUnavailable as error:
        pytest.fail(str(error), pytrace=False)
