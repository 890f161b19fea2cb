"""Starts the processes of Opspawn: all in one (`up`), or one by one on given servers.

What serves is imported when there is something to serve, and while a database of our own starts.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from opspawn import embedded, preconditions
from opspawn.cli.exits import UNAVAILABLE, USAGE, CommandError
from opspawn.cli.process import interruptible, say, serve
from opspawn.cli.text import print_line
from opspawn.garbage import collect_seldom
from opspawn.settings import Settings, SettingsError

if TYPE_CHECKING:
    from opspawn.bootstrap import Endpoints

Result = TypeVar("Result")

DEFAULT_API_PORT: Final = 8000

Role = Literal["api", "grpc", "worker", "worker --alone", "dispatcher"]


def up(settings: Settings) -> None:
    """Serves everything in this process until a signal."""

    def announce(endpoints: "Endpoints") -> None:
        for line in describe(endpoints):
            say(line)
        where = "" if settings.api_port == DEFAULT_API_PORT else f"--url {endpoints.api_url} "
        say(f'Try it:  opspawn run {where}"What is 17 * 23?"   (Ctrl-C stops)')

    checked(settings)
    refuse_strangers(settings)
    with database(settings) as url:
        from opspawn import bootstrap

        run(lambda stop: bootstrap.serve_all(settings, stop, announce, database_url=url))


def one(role: Role, settings: Settings) -> None:
    """Serves one role, on a PostgreSQL and a RabbitMQ that other processes share."""
    needed = {"DATABASE_URL": settings.database_url, "RABBITMQ_URL": settings.rabbitmq_url}
    if role == "worker --alone":
        del needed["RABBITMQ_URL"]  # nobody rings for what it runs
    missing = [name for name, value in needed.items() if value is None]
    if missing:
        raise CommandError(
            f"`opspawn {role}` is one process of several and needs {' and '.join(missing)}; "
            "set that, or run everything in one process with `opspawn up`.",
            USAGE,
        )
    if role in {"api", "grpc"}:
        refuse_strangers(settings)
    collect_seldom()
    from opspawn import bootstrap

    roles: dict[str, Callable[[Settings, asyncio.Event], Awaitable[None]]] = {
        "api": bootstrap.serve_api,
        "grpc": bootstrap.serve_grpc,
        "worker": bootstrap.serve_worker,
        "worker --alone": bootstrap.serve_alone,
        "dispatcher": bootstrap.serve_dispatcher,
    }
    run(lambda stop: roles[role](settings, stop))


def run(main: Callable[[asyncio.Event], Awaitable[Result]]) -> Result:
    """`serve`, with what cannot start told in one line."""
    from opspawn.doors import raise_file_limit

    raise_file_limit()
    try:
        return serve(main)
    except SettingsError as error:
        raise CommandError(f"wrong setting: {error}", USAGE) from error
    except preconditions.StartError as error:
        raise CommandError(str(error), UNAVAILABLE) from error


def checked(settings: Settings) -> None:
    """Before anything is started: whether agents can run here at all."""
    try:
        preconditions.check_agents(settings)
    except SettingsError as error:
        raise CommandError(f"wrong setting: {error}", USAGE) from error


def refuse_strangers(settings: Settings) -> None:
    """Ends the command when the settings open a door without a lock to other machines."""
    try:
        preconditions.refuse_strangers(settings)
    except preconditions.StartError as error:
        raise CommandError(str(error), USAGE) from None


@contextmanager
def database(settings: Settings) -> Iterator[str | None]:
    """The database, migrated: yields the URL of ours, or None when the settings name one."""
    collect_seldom()  # before the imports, nothing of which is ever garbage
    with interruptible():
        if settings.database_url is not None:
            upgrade(settings)
            yield None
            return
        try:
            # The imports are on the thread: a signal must be able to end the wait for the server.
            with ThreadPoolExecutor(1) as beside:
                importing = beside.submit(_import_what_serves)
                with embedded.postgres(settings.data_dir, say) as url:
                    importing.result()
                    _upgrade(url)
                    yield url
        except embedded.EmbeddedError as error:
            raise CommandError(str(error), UNAVAILABLE) from error


def _import_what_serves() -> None:
    """A second of imports, while the server starts."""
    for name in ("opspawn.migrate", "opspawn.bootstrap", "opspawn.worker"):
        import_module(name)


def _upgrade(url: str) -> None:
    from opspawn.migrate import upgrade

    upgrade(url)


def migrated(settings: Settings) -> None:
    """`opspawn migrate`: says what the database is at when it is done."""
    from opspawn import migrate

    upgrade(settings)
    print_line(f"The database is at revision {migrate.head()}.")


def upgrade(settings: Settings) -> None:
    """Brings the database of the settings to this build's schema."""
    chosen = settings.database_direct_url or settings.database_url
    if chosen is None:
        raise CommandError(
            "There is no database to migrate: set DATABASE_URL (the embedded one is migrated by "
            "`opspawn up`).",
            USAGE,
        )
    url = chosen.get_secret_value()
    from opspawn.database_errors import DATABASE_ERRORS, explain

    try:
        _upgrade(url)
    except DATABASE_ERRORS as error:
        raise CommandError(explain(error, url), UNAVAILABLE) from error


def describe(endpoints: "Endpoints") -> Iterator[str]:
    """What a person who has just started Opspawn wants to know."""
    yield "Opspawn is up."
    yield f"  REST   {endpoints.api_url}   (its pages: {endpoints.api_url}/docs)"
    yield f"  gRPC   {endpoints.grpc_target}"
    if endpoints.new_key is not None:
        yield f"  key    {endpoints.new_key}"
        yield f"         Told this once; commands on this machine find it in {endpoints.key_file}."
    yield f"  model  {endpoints.provider}: {endpoints.model}"
    if endpoints.toy:
        yield (
            "         The built-in model is a toy: it shows the whole path with real tokens, "
            "and its answers are often wrong."
        )
        yield "         For a real one set OPENAI_API_KEY (or another key of .env.example)."
