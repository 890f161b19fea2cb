"""Schedules, and what became of their firings.

Only new tables: the statements of before go on working beside them.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCHEDULE = """
CREATE TABLE schedule (
    tenant_id         text        NOT NULL DEFAULT 'default',
    schedule_id       text        NOT NULL,
    name              text        NOT NULL,

    -- When: a calendar in a zone, or an interval.
    cron              text,
    every_s           bigint,
    time_zone         text        NOT NULL,
    start_at          timestamptz,
    end_at            timestamptz,
    jitter_s          double precision NOT NULL,

    -- What, and how.
    task              jsonb       NOT NULL,
    overlap           text        NOT NULL,
    missed            text        NOT NULL,
    catchup_window_s  double precision NOT NULL,
    labels            jsonb       NOT NULL DEFAULT '{}',

    created_by        text        NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    paused_at         timestamptz,
    paused_reason     text,

    -- Where it stands. `last_fired_at` is a time of its calendar, `firings` the number of its latest firing;
    -- `revision` counts changes by clients.
    next_fire_at      timestamptz,
    last_fired_at     timestamptz,
    last_task_id      text,
    queued            integer     NOT NULL DEFAULT 0,
    firings           bigint      NOT NULL DEFAULT 0,
    revision          bigint      NOT NULL DEFAULT 1,

    PRIMARY KEY (tenant_id, schedule_id),
    CONSTRAINT schedule_one_rhythm CHECK ((cron IS NULL) <> (every_s IS NULL)),
    CONSTRAINT schedule_interval CHECK (every_s >= 1),
    CONSTRAINT schedule_overlap CHECK (overlap IN ('skip', 'queue', 'allow')),
    CONSTRAINT schedule_missed CHECK (missed IN ('skip', 'run_once', 'run_all')),
    CONSTRAINT schedule_counts CHECK (
        queued >= 0 AND firings >= 0 AND jitter_s >= 0 AND catchup_window_s >= 0),
    CONSTRAINT schedule_paused_fires_not CHECK (paused_at IS NULL OR next_fire_at IS NULL)
)
"""

FIRING = """
-- The latest firings of each schedule; older ones go as new ones come.
CREATE TABLE firing (
    tenant_id    text        NOT NULL DEFAULT 'default',
    schedule_id  text        NOT NULL,
    number       bigint      NOT NULL,
    fire_at      timestamptz NOT NULL,
    outcome      text        NOT NULL,
    is_manual    boolean     NOT NULL DEFAULT false,
    reason       text,
    task_id      text,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, schedule_id, number),
    CONSTRAINT firing_outcome CHECK (outcome IN ('task', 'queued', 'skipped', 'missed', 'failed')),
    CONSTRAINT firing_has_its_task CHECK ((outcome = 'task') = (task_id IS NOT NULL))
)
"""

INDEXES = (
    # a name is taken once
    "CREATE UNIQUE INDEX schedule_name ON schedule (tenant_id, name)",
    # GET /schedules
    "CREATE INDEX schedule_for_list ON schedule (tenant_id, created_at DESC, schedule_id DESC)",
    # dispatcher: what is due (a paused one has no next firing)
    "CREATE INDEX schedule_for_firing ON schedule (next_fire_at) WHERE next_fire_at IS NOT NULL",
    # dispatcher: what waits for the end of a task
    """CREATE INDEX schedule_for_queue ON schedule (tenant_id, schedule_id)
       WHERE queued > 0 AND paused_at IS NULL""",
    # a time of the calendar is one firing
    """CREATE UNIQUE INDEX firing_once ON firing (tenant_id, schedule_id, fire_at)
       WHERE NOT is_manual""",
    # dispatcher: the oldest firing that waits
    """CREATE INDEX firing_queued ON firing (tenant_id, schedule_id, number)
       WHERE outcome = 'queued'""",
)


def upgrade() -> None:
    for statement in (SCHEDULE, FIRING, *INDEXES):
        op.execute(statement)
    for table in ("schedule", "firing"):
        op.execute(f"SELECT ops_isolate('{table}')")
