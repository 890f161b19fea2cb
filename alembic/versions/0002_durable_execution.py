"""Waits, families of tasks, poison, dead letters, pinned versions, and large values stored once.

Only adds: the statements of 0001 go on working beside it. But that code writes no outbox and knows neither
pins nor suspects: what it ends is told to no parent and to no dependent, so it should be gone before tasks
have any.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TASK = """
ALTER TABLE task
    -- What a waiting task waits for, as clients see it; how many of its children must end to wake it.
    ADD waiting_for       jsonb,
    ADD children_needed   integer,
    -- How often something came from outside for its handler: a run that has not read it must not sleep.
    ADD signals           bigint      NOT NULL DEFAULT 0,

    -- Its place among other tasks. `watched`: somebody depends on it.
    ADD depth             integer     NOT NULL DEFAULT 0,
    ADD children          integer     NOT NULL DEFAULT 0,
    ADD dependencies_left integer     NOT NULL DEFAULT 0,
    ADD watched           boolean     NOT NULL DEFAULT false,

    -- Deaths of workers' processes under its current step; since when it waits for an operator.
    ADD deaths            integer     NOT NULL DEFAULT 0,
    ADD dead_letter_at    timestamptz,

    -- The versions it is tied to since its first claim.
    ADD pins              text[],

    ADD CONSTRAINT task_waiting_says_what CHECK (status <> 'waiting' OR waiting_for IS NOT NULL),
    ADD CONSTRAINT task_family_counts CHECK (
        depth >= 0 AND children >= 0 AND dependencies_left >= 0 AND deaths >= 0 AND signals >= 0)
"""

WORKER = """
ALTER TABLE worker
    -- Whether it takes only suspects, one at a time; what it ties new tasks to; what it can run.
    ADD alone    boolean NOT NULL DEFAULT false,
    ADD pins     jsonb   NOT NULL DEFAULT '{}',
    ADD supports text[]  NOT NULL DEFAULT '{}'
"""

DEPENDENCY = """
-- Who waits for whose end before its first run. A row goes when it was told.
CREATE TABLE dependency (
    tenant_id  text NOT NULL DEFAULT 'default',
    needs      text NOT NULL,
    task_id    text NOT NULL,
    PRIMARY KEY (tenant_id, needs, task_id)
)
"""

OUTBOX = """
-- Ends that others must hear of: written with the end itself, told and deleted by upkeep.
CREATE TABLE outbox (
    outbox_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id  text   NOT NULL DEFAULT 'default',
    task_id    text   NOT NULL
)
"""

BLOB = """
-- Large values of journals, once each; a journal names them by their SHA-256.
CREATE TABLE blob (
    tenant_id  text  NOT NULL DEFAULT 'default',
    task_id    text  NOT NULL,
    digest     text  NOT NULL,
    value      jsonb NOT NULL,
    PRIMARY KEY (tenant_id, task_id, digest)
)
"""

INDEXES = (
    # upkeep: waiting tasks whose time has come
    """CREATE INDEX task_for_timer ON task (wait_until)
       WHERE status = 'waiting' AND wait_until IS NOT NULL""",
    # GET /tasks/{id}/children; upkeep: the unfinished children of an ended task
    """CREATE INDEX task_for_parent ON task (tenant_id, parent_task_id, created_at DESC, task_id DESC)
       WHERE parent_task_id IS NOT NULL""",
    # heartbeat: whether suspects wait for a worker of their own
    "CREATE INDEX task_for_isolation ON task (queue) WHERE status = 'pending' AND deaths >= 2",
    # GET /dead-letters
    """CREATE INDEX task_for_dead_letters ON task (tenant_id, created_at DESC, task_id DESC)
       WHERE dead_letter_at IS NOT NULL AND status = 'failed'""",
    # upkeep: the oldest finished tasks
    """CREATE INDEX task_for_retention ON task (completed_at)
       WHERE completed_at IS NOT NULL AND dead_letter_at IS NULL""",
    # retention: what depends on a task goes with it
    "CREATE INDEX dependency_of_task ON dependency (tenant_id, task_id)",
)


def upgrade() -> None:
    for statement in (TASK, WORKER, DEPENDENCY, OUTBOX, BLOB, *INDEXES):
        op.execute(statement)
