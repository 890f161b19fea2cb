"""Private servers from what this machine has, installed first where that is possible. Needs no pytest.

with local_postgres() as postgres, local_rabbitmq() as rabbitmq:
    run(postgres.url, rabbitmq.url)
"""

from collections.abc import Callable

from support import debian
from support.postgres_server import PostgresServer, find_programs
from support.rabbitmq_server import RabbitmqServer, find_script
from support.server_process import ServerUnavailable


def local_postgres(say: Callable[[str], None] = print) -> PostgresServer:
    """A server that is not started yet. Raises `ServerUnavailable` when none can be had."""
    provide(find_programs, "postgresql", say)
    server = PostgresServer()
    say(f"PostgreSQL: a private server on port {server.port} from {server.programs}")
    return server


def local_rabbitmq(say: Callable[[str], None] = print) -> RabbitmqServer:
    """A broker that is not started yet. Raises `ServerUnavailable` when none can be had."""
    provide(find_script, "rabbitmq-server", say)
    server = RabbitmqServer()
    say(f"RabbitMQ: a private server on port {server.port} from {find_script()}")
    return server


def provide(find: Callable[[], object], package: str, say: Callable[[str], None]) -> None:
    """Installs the Debian package when the server is not found and we may; else says what to do."""
    try:
        find()
    except ServerUnavailable:
        if not debian.can_install():
            raise
        debian.install(package, say)
        find()
