"""Asks: what tasks need people for, across all tasks.

Only adds a table, which is new and empty: its indexes lock nobody out. It is filled with what tasks wait for
now. A process of an older build that runs beside newer ones writes nothing into it: what it asks is not
listed (its task shows it, and can be answered), and what it resolves is listed as pending for longer.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NAME = """
-- The name of what a step asks in a generation of its task: asked again, it is the same ask.
CREATE FUNCTION ops_ask_id(kind text, task_id text, step text, generation integer) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE kind WHEN 'approval' THEN 'apr_' ELSE 'inp_' END || substr(encode(sha256(
        convert_to(task_id || E'\\n' || step || E'\\n' || generation::text, 'UTF8')), 'hex'), 1, 32)
$$
"""

ASK = """
-- A projection of the logs, written in their transactions: the log stays the truth.
CREATE TABLE ask (
    tenant_id    text        NOT NULL DEFAULT 'default',
    ask_id       text        NOT NULL,
    task_id      text        NOT NULL,
    kind         text        NOT NULL,
    step         text        NOT NULL,
    generation   integer     NOT NULL,
    status       text        NOT NULL,
    asked        jsonb       NOT NULL,
    requested_at timestamptz NOT NULL,
    expires_at   timestamptz,

    -- What was said, by whom, when, and under which request.
    resolution   jsonb,
    resolved_by  text,
    resolved_at  timestamptz,
    request_hash text,

    PRIMARY KEY (tenant_id, ask_id),
    CONSTRAINT ask_kind CHECK (kind IN ('approval', 'input')),
    CONSTRAINT ask_status CHECK (
        CASE kind WHEN 'approval'
             THEN status IN ('pending', 'approved', 'rejected', 'expired', 'cancelled')
             ELSE status IN ('pending', 'answered', 'expired', 'cancelled') END),
    CONSTRAINT ask_is_over_or_not CHECK ((status = 'pending') = (resolved_at IS NULL)),
    CONSTRAINT ask_says_what_was_said CHECK (
        (status IN ('approved', 'rejected', 'answered')) = (resolution IS NOT NULL))
)
"""

INDEXES = (
    # GET /approvals, GET /inputs
    "CREATE INDEX ask_for_list ON ask (tenant_id, kind, requested_at DESC, ask_id DESC)",
    # the same with a status
    """CREATE INDEX ask_for_list_by_status
       ON ask (tenant_id, kind, status, requested_at DESC, ask_id DESC)""",
    # the same with a task; retention
    "CREATE INDEX ask_of_task ON ask (tenant_id, task_id, requested_at DESC, ask_id DESC)",
    # an answer, and the end of a task; a step asks one thing at a time
    "CREATE UNIQUE INDEX ask_open ON ask (tenant_id, task_id, step) WHERE status = 'pending'",
    # upkeep: what nobody answered in time
    """CREATE INDEX ask_for_expiry ON ask (expires_at)
       WHERE status = 'pending' AND expires_at IS NOT NULL""",
)

# The last thing that each step of an unfinished task asked, if nobody has answered it.
FILL = """
INSERT INTO ask (tenant_id, ask_id, task_id, kind, step, generation, status, asked, requested_at)
SELECT tenant_id, ops_ask_id(kind, task_id, step, generation), task_id, kind, step, generation, 'pending',
       data - ARRAY['path', 'step'], at
FROM (
    SELECT DISTINCT ON (e.tenant_id, e.task_id, p.step)
           e.tenant_id, e.task_id, t.generation, p.step, e.type, e.data, e.at,
           CASE e.type WHEN 'approval.requested' THEN 'approval' ELSE 'input' END AS kind
    FROM task t
    JOIN event e ON e.tenant_id = t.tenant_id AND e.task_id = t.task_id
    CROSS JOIN LATERAL (SELECT COALESCE(e.data ->> 'path', e.journal ->> 'path') AS step) AS p
    WHERE t.completed_at IS NULL AND p.step IS NOT NULL
      AND e.type IN ('approval.requested', 'approval.resolved', 'input.requested', 'input.received')
    ORDER BY e.tenant_id, e.task_id, p.step, e.seq DESC
) AS last
WHERE type IN ('approval.requested', 'input.requested') AND NOT data ? 'copied'
"""


def upgrade() -> None:
    for statement in (NAME, ASK, *INDEXES, FILL):
        op.execute(statement)
    op.execute("SELECT ops_isolate('ask')")
