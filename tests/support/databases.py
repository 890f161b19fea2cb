"""Fresh databases for tests: one is migrated, the others are copies of it, which is much faster."""

import asyncio
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import asyncpg
from sqlalchemy import make_url

from opspawn.migrate import upgrade

_numbers = itertools.count(1)


class Databases:
    """The databases of one test run on one server; `url` may create and drop databases."""

    def __init__(self, url: str) -> None:
        self._admin_url = url
        self._template: str | None = None

    def create(self, *, migrated: bool = True) -> str:
        """The URL (postgresql+asyncpg://…) of a new database."""
        name = _name("db")
        if migrated and self._template is None:
            self._template = self._new(_name("template"))
            outside_any_loop(lambda: upgrade(self._url(self._template)))
        return self._url(self._new(name, template=self._template if migrated else None))

    def run(self, url: str, statement: str) -> None:
        """Runs one statement in a database, as its owner."""
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)

        async def execute() -> None:
            connection = await asyncpg.connect(plain, timeout=30)
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        outside_any_loop(lambda: asyncio.run(execute()))

    def drop(self, url: str) -> None:
        """Drops it even when somebody is still connected, as a process killed by a test may be."""
        name = make_url(url).database
        self.run(self._admin_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def close(self) -> None:
        if self._template is not None:
            self.drop(self._url(self._template))

    def _new(self, name: str, *, template: str | None = None) -> str:
        source = f' TEMPLATE "{template}"' if template else ""
        self.run(self._admin_url, f'CREATE DATABASE "{name}"{source}')
        return name

    def _url(self, name: str | None) -> str:
        url = make_url(self._admin_url).set(drivername="postgresql+asyncpg", database=name)
        return url.render_as_string(hide_password=False)


def outside_any_loop(work: Callable[[], None]) -> None:
    """Runs it in a thread: `asyncio.run` here would take the loop of the running test away."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(work).result()


def _name(kind: str) -> str:
    return f"opspawn_{kind}_{os.getpid()}_{next(_numbers)}"
