"""Reads many tasks of one tenant in one transaction, as `submit_together` stores them."""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import asyncpg

from ops_core.store.records import COLUMNS, TaskRecord
from ops_core.store.rows import task_of
from ops_core.task import Task

Connection: TypeAlias = "asyncpg.Connection[Any]"

# Tasks by their ids, each looked up by itself: with an array in the condition a plan that was made while the
# tenant had few tasks reads all that it has since. The array is a subquery, so that its length is not known,
# and the plan is kept: to make it takes six times as long as the look. Index: primary key.
_GET: Final = f"""
    SELECT {COLUMNS} FROM unnest((SELECT $2::text[])) AS asked (id)
    CROSS JOIN LATERAL (
        SELECT * FROM task WHERE tenant_id = $1 AND task_id = asked.id LIMIT 1
    ) AS t
"""  # noqa: S608  # columns of our own


async def get_together(
    connection: Connection, tenant_id: str, task_ids: Sequence[str]
) -> list[Task | None]:
    """Each of the tasks, in their order; None where there is none."""
    if not task_ids:  # whoever waited has gone
        return []
    rows = await connection.fetch(_GET, tenant_id, list(set(task_ids)), record_class=TaskRecord)
    tasks = {row["task_id"]: task_of(row) for row in rows}
    return [tasks.get(task_id) for task_id in task_ids]
