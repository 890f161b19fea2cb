"""The table of asks in a database of before, and that tables and models agree."""

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from ops_core.ask import AskKind, ask_id
from ops_core.store.tables import METADATA
from opspawn import migrate
from support.migrations import migrated_to, on

pytestmark = pytest.mark.integration

#: What an older build wrote: open asks of two tasks (one of them in its second generation), answered and
#: copied ones, and one of a task that has ended.
_BEFORE = """
INSERT INTO task (task_id, task_type, queue, agent, input_data, status, generation, retry_policy,
                  request_hash, last_seq, created_at, updated_at, runnable_at, completed_at, waiting_for,
                  reason)
SELECT id, 'x', 'default', 'default', '{}', CASE WHEN ended THEN 'cancelled' ELSE 'waiting' END, generation,
       '{}', '', 9, now(), now(), now(), CASE WHEN ended THEN now() END,
       CASE WHEN NOT ended THEN '[]'::jsonb END, CASE WHEN NOT ended THEN 'approval' END
FROM (VALUES ('t', 1, false), ('u', 2, false), ('v', 1, true)) AS t (id, generation, ended);

INSERT INTO event (task_id, seq, type, data, journal, at)
SELECT task_id, seq, type, data::jsonb, '{"v": 1}', now()
FROM (VALUES
    ('t', 1, 'approval.requested', '{"path": "a", "step": 1, "tool": "pay", "arguments": {"eur": 5}}'),
    ('t', 2, 'input.requested', '{"path": "q", "question": "Who?"}'),
    ('t', 3, 'input.received', '{"path": "q", "answer": "Ada"}'),
    ('t', 4, 'approval.requested', '{"path": "b", "copied": true}'),
    ('u', 1, 'input.requested', '{"path": "q", "question": "Which?"}'),
    ('v', 1, 'approval.requested', '{"path": "a", "tool": "pay"}')
) AS e (task_id, seq, type, data);
"""


def test_what_is_open_is_listed_after_the_migration(empty_database_url: str) -> None:
    """Under the names that this build gives it, so that it can be decided; what is over is not."""
    found: list[Any] = []

    def look(connection: Connection) -> None:
        query = text("SELECT ask_id, task_id, status, asked FROM ask ORDER BY task_id")
        found.extend(connection.execute(query).all())

    def write(connection: Connection) -> None:
        for statement in _BEFORE.split(";"):
            connection.execute(text(statement.replace(":", r"\:")))
        connection.commit()

    migrated_to("0002", empty_database_url)
    on(empty_database_url, write)
    migrated_to("0004", empty_database_url)
    on(empty_database_url, look)
    pay = {"tool": "pay", "arguments": {"eur": 5}}
    assert [
        (ask_id(AskKind.APPROVAL, "t", "a", 1), "t", "pending", pay),
        (ask_id(AskKind.INPUT, "u", "q", 2), "u", "pending", {"question": "Which?"}),
    ] == [tuple(row) for row in found]


def test_the_models_are_what_the_migrations_make(empty_database_url: str) -> None:
    """`alembic check` would find nothing to do."""
    found: list[Any] = []

    def compare(connection: Connection) -> None:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found.extend(compare_metadata(context, METADATA))

    migrate.upgrade(empty_database_url)
    on(empty_database_url, compare)
    assert [] == found
