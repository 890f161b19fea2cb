"""What a migration may do while the code of before still runs: nothing that locks a table for long."""

import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from alembic.script import ScriptDirectory

from opspawn import migrate

VERSIONS = Path(__file__).resolve().parents[2] / "alembic" / "versions"

#: The first that keeps the rules; those before it made tables that were new, or nearly.
SINCE = "0008"

CREATES = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", re.I)
INDEXES = re.compile(r"CREATE (?:UNIQUE )?INDEX (CONCURRENTLY )?(\w+)\s+ON (\w+)", re.I)
CONSTRAINTS = re.compile(r"ALTER TABLE (\w+).*?ADD CONSTRAINT \w+ (?:CHECK|FOREIGN)", re.I | re.S)


class Recorder:
    """Stands in for `alembic.op`, and remembers what was executed, and what of it outside of transactions."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.outside: list[str] = []
        self._is_outside = False

    def execute(self, statement: str) -> None:
        (self.outside if self._is_outside else self.statements).append(statement)

    def get_bind(self) -> "Recorder":
        return self

    def get_context(self) -> "Recorder":
        return self

    def scalar(self, _statement: object) -> None:
        """An empty database."""

    @contextmanager
    def autocommit_block(self) -> Iterator[None]:
        self._is_outside = True
        yield
        self._is_outside = False

    @property
    def everything(self) -> str:
        return "\n".join([*self.statements, *self.outside])


def recorded(path: Path) -> Recorder:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.op = recorder = Recorder()  # type: ignore[attr-defined]
    module.upgrade()
    return recorder


def broken_rules(recorder: Recorder) -> list[str]:
    made = set(CREATES.findall(recorder.everything))
    found = []
    for concurrently, name, table in INDEXES.findall("\n".join(recorder.statements)):
        if concurrently:
            found.append(
                f"{name} is built concurrently, which no transaction allows: autocommit_block()"
            )
        elif table not in made:
            found.append(f"{name} locks {table} while it is built: CREATE INDEX CONCURRENTLY")
    for concurrently, name, _ in INDEXES.findall("\n".join(recorder.outside)):
        if not concurrently or f"DROP INDEX CONCURRENTLY IF EXISTS {name}" not in recorder.outside:
            found.append(
                f"{name} cannot be tried again: DROP INDEX CONCURRENTLY IF EXISTS before it"
            )
    found += [f"{s} waits for everybody" for s in recorder.statements if s.startswith("DROP INDEX")]
    for statement in recorder.statements:
        found += [
            f"{table} is read under its lock: NOT VALID, and VALIDATE CONSTRAINT in autocommit_block()"
            for table in CONSTRAINTS.findall(statement)
            if table not in made and "NOT VALID" not in statement
        ]
    return found


MIGRATIONS = [path for path in sorted(VERSIONS.glob("*.py")) if path.stem[:4] >= SINCE]


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.stem)
def test_a_migration_locks_no_table_for_long(path: Path) -> None:
    """Old code goes on beside it, and a try that failed half-way can be made again."""
    assert [] == broken_rules(recorded(path))


@pytest.mark.parametrize(
    ("inside", "outside", "wrong"),
    [
        ("CREATE INDEX i ON task (x)", "", "i locks task"),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON task (x)", "", "i is built concurrently"),
        ("DROP INDEX i", "", "DROP INDEX i waits"),
        ("", "CREATE INDEX CONCURRENTLY i ON task (x)", "i cannot be tried again"),
        ("ALTER TABLE task\n ADD x int,\n ADD CONSTRAINT c CHECK (x > 0)", "", "task is read"),
    ],
)
def test_a_rule_that_is_broken_is_told(inside: str, outside: str, wrong: str) -> None:
    """Else the test above could not fail."""
    recorder = Recorder()
    recorder.statements, recorder.outside = [inside], [outside]
    [found] = broken_rules(recorder)
    assert found.startswith(wrong)


def test_revisions_are_the_numbers_of_their_files() -> None:
    """What a build needs is known without Alembic, which would order them in the same way."""
    known = ScriptDirectory.from_config(migrate._config())
    expected = [script.revision for script in known.walk_revisions()][::-1]
    assert expected == migrate._revisions()
    assert (known.get_current_head(), True) == (migrate.head(), migrate.is_behind("0001"))
    assert not migrate.is_behind(migrate.head())
    assert not migrate.is_behind("9999")
