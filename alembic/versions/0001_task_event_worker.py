"""The task, its log, and the workers that run it.

Written as SQL: this file is where a reviewer reads what the database itself enforces.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

CLOCK = """
-- The only clock that decides. Tests move it with the setting ops_core.clock_offset ('90 seconds').
CREATE FUNCTION ops_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT statement_timestamp()
         + COALESCE(NULLIF(current_setting('ops_core.clock_offset', true), ''), '0')::interval
$$
"""

WAKE_AT = """
-- When upkeep must look at a task, from the causes that apply in its state. LEAST ignores NULL.
CREATE FUNCTION ops_wake_at(
    status text, deadline_at timestamptz, ring_at timestamptz, wait_until timestamptz
) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE status
        WHEN 'pending' THEN LEAST(deadline_at, ring_at)
        WHEN 'waiting' THEN LEAST(deadline_at, wait_until)
        WHEN 'running' THEN deadline_at
    END
$$
"""

TASK = """
CREATE TABLE task (
    tenant_id         text        NOT NULL DEFAULT 'default',
    task_id           text        NOT NULL,
    task_type         text        NOT NULL,
    queue             text        NOT NULL,
    name              text,
    agent             text        NOT NULL,
    thread_id         text,
    parent_task_id    text,
    priority          integer     NOT NULL DEFAULT 0,
    labels            jsonb       NOT NULL DEFAULT '{}',
    input_data        jsonb       NOT NULL,
    result            jsonb,
    error             jsonb,
    status            text        NOT NULL,
    reason            text,
    attempt           integer     NOT NULL DEFAULT 0,
    generation        integer     NOT NULL DEFAULT 1,
    retry_policy      jsonb       NOT NULL,

    -- What it has used so far.
    input_tokens      bigint      NOT NULL DEFAULT 0,
    output_tokens     bigint      NOT NULL DEFAULT 0,
    cost_usd          numeric     NOT NULL DEFAULT 0,
    steps             integer     NOT NULL DEFAULT 0,

    -- Ownership: who may write it. The epoch is the fencing token and only grows.
    owner             text,
    epoch             bigint      NOT NULL DEFAULT 0,
    cancel_requested  boolean     NOT NULL DEFAULT false,
    last_seq          bigint      NOT NULL DEFAULT 0,

    -- What makes two submits one.
    idempotency_key   text,
    request_hash      text        NOT NULL,

    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    scheduled_at      timestamptz,
    started_at        timestamptz,
    completed_at      timestamptz,

    -- The causes of a wake-up, and when the first of them is due.
    runnable_at       timestamptz NOT NULL,
    deadline_at       timestamptz,
    ring_at           timestamptz,
    rings             integer     NOT NULL DEFAULT 0,
    wait_until        timestamptz,
    wake_at           timestamptz GENERATED ALWAYS AS (
                          ops_wake_at(status, deadline_at, ring_at, wait_until)
                      ) STORED,

    PRIMARY KEY (tenant_id, task_id),
    CONSTRAINT task_status_known CHECK (
        status IN ('pending', 'running', 'waiting', 'completed', 'failed', 'cancelled')),
    -- COALESCE: a CHECK lets NULL pass, and a reason that is missing where one is due is NULL.
    CONSTRAINT task_reason_fits CHECK (COALESCE(CASE status
        WHEN 'pending' THEN reason IN ('queued', 'delayed', 'retrying', 'rate_limited', 'recovered')
        WHEN 'waiting' THEN reason IN
            ('approval', 'input', 'child', 'timer', 'effect_unknown', 'version')
        WHEN 'failed'  THEN reason IN ('error', 'deadline_exceeded', 'budget_exhausted', 'poison',
                                       'nondeterministic', 'rejected')
        ELSE reason IS NULL END, false)),
    CONSTRAINT task_running_has_owner CHECK ((status = 'running') = (owner IS NOT NULL)),
    CONSTRAINT task_terminal_has_end CHECK (
        (status IN ('completed', 'failed', 'cancelled')) = (completed_at IS NOT NULL)),
    CONSTRAINT task_completed_has_result CHECK ((status = 'completed') = (result IS NOT NULL)),
    CONSTRAINT task_failed_has_error CHECK (status <> 'failed' OR error IS NOT NULL),
    CONSTRAINT task_completed_has_no_error CHECK (status <> 'completed' OR error IS NULL),
    CONSTRAINT task_counts_positive CHECK (
        attempt >= 0 AND generation >= 1 AND epoch >= 0 AND last_seq >= 0 AND steps >= 0
        AND input_tokens >= 0 AND output_tokens >= 0 AND cost_usd >= 0)
)
"""

EVENT = """
-- A task's log. No foreign key: an append has just locked the task's row, and a second lookup for each
-- event would pay for a rule that the statement already keeps.
CREATE TABLE event (
    tenant_id  text        NOT NULL DEFAULT 'default',
    task_id    text        NOT NULL,
    seq        bigint      NOT NULL,
    type       text        NOT NULL,
    v          smallint    NOT NULL DEFAULT 1,
    data       jsonb       NOT NULL,
    journal    jsonb,
    at         timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, task_id, seq),
    CONSTRAINT event_seq_positive CHECK (seq >= 1)
)
"""

WORKER = """
-- One heartbeat row a worker, whatever number of tasks it runs. `tenant_id` is who operates the worker;
-- it serves every tenant's tasks.
CREATE TABLE worker (
    tenant_id     text        NOT NULL DEFAULT 'default',
    worker_id     text        NOT NULL,
    queues        text[]      NOT NULL,
    slots         integer     NOT NULL,
    running       integer     NOT NULL,
    started_at    timestamptz NOT NULL,
    heartbeat_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, worker_id),
    CONSTRAINT worker_slots_positive CHECK (slots >= 1 AND running >= 0)
)
"""

INDEXES = (
    # claim: the best due rows of a worker's queues
    """CREATE INDEX task_for_claim ON task (queue, priority DESC, runnable_at, task_id)
       WHERE status = 'pending'""",
    # upkeep: the rows of a queue whose wake-up is due (rings)
    "CREATE INDEX task_for_wake ON task (queue, wake_at) WHERE wake_at IS NOT NULL",
    # upkeep: tasks past their deadline, in whatever queue; not found among the wake-ups of a backlog
    """CREATE INDEX task_for_deadline ON task (deadline_at)
       WHERE deadline_at IS NOT NULL AND completed_at IS NULL""",
    # heartbeat and upkeep: the rows that a worker owns
    "CREATE INDEX task_for_owner ON task (owner) WHERE owner IS NOT NULL",
    # GET /tasks: newest first
    "CREATE INDEX task_for_list ON task (tenant_id, created_at DESC, task_id DESC)",
    # GET /tasks?status=
    "CREATE INDEX task_for_list_by_status ON task (tenant_id, status, created_at DESC, task_id DESC)",
    # GET /tasks?thread_id=
    """CREATE INDEX task_for_list_by_thread ON task (tenant_id, thread_id, created_at DESC, task_id DESC)
       WHERE thread_id IS NOT NULL""",
    # submit: one key is at most one task
    """CREATE UNIQUE INDEX task_idempotency_key ON task (tenant_id, idempotency_key)
       WHERE idempotency_key IS NOT NULL""",
)


def upgrade() -> None:
    for statement in (CLOCK, WAKE_AT, TASK, EVENT, WORKER, *INDEXES):
        op.execute(statement)
