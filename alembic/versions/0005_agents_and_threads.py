"""Named agents, and threads whose tasks run one after another.

Only adds: the statements of older code go on working beside it. But an older dispatcher fails a task that
waits in its thread when the one before it fails, and an older worker runs every agent as the default one:
both should be gone before two tasks of one thread are submitted at once, and before agents are defined. The
new index on `task` is made while nobody can write to that table: seconds for a million tasks, few of which
are in it.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TASK = """
ALTER TABLE task
    -- The version of its agent; those of the agents it may hand work over to, as definitions name them.
    ADD agent_version integer,
    ADD handoffs      jsonb NOT NULL DEFAULT '{}',
    ADD CONSTRAINT task_agent_version_positive CHECK (agent_version >= 1)
"""

DEPENDENCY = """
-- What is waited for: that the other task completes, or merely that it ends.
ALTER TABLE dependency ADD on_end boolean NOT NULL DEFAULT false
"""

AGENT = """
-- An agent: the number of its newest version, and the SHA-256 of what that one says.
CREATE TABLE agent (
    tenant_id    text        NOT NULL DEFAULT 'default',
    name         text        NOT NULL,
    version      integer     NOT NULL,
    digest       text        NOT NULL,
    created_at   timestamptz NOT NULL,
    archived_at  timestamptz,
    PRIMARY KEY (tenant_id, name),
    CONSTRAINT agent_name_fits CHECK (name ~ '^[A-Za-z0-9_-]{1,64}$' AND name <> 'default'),
    CONSTRAINT agent_version_counts CHECK (version >= 0)
)
"""

AGENT_VERSION = """
-- Rows are only added: tasks are tied to them by name and number.
CREATE TABLE agent_version (
    tenant_id   text        NOT NULL DEFAULT 'default',
    name        text        NOT NULL,
    version     integer     NOT NULL,
    definition  jsonb       NOT NULL,
    created_at  timestamptz NOT NULL,
    created_by  text        NOT NULL,
    PRIMARY KEY (tenant_id, name, version),
    CONSTRAINT agent_version_positive CHECK (version >= 1),
    CONSTRAINT agent_version_defines CHECK (jsonb_typeof(definition) = 'object')
)
"""

NEVER_CHANGED = """
CREATE FUNCTION ops_never_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a version of an agent is never changed: tasks are tied to it';
END $$
"""

AGENT_VERSION_STAYS = """
CREATE TRIGGER agent_version_stays BEFORE UPDATE ON agent_version
FOR EACH ROW EXECUTE FUNCTION ops_never_changed()
"""

THREAD = """
-- A conversation. Its row is locked while a task enters it.
CREATE TABLE thread (
    tenant_id    text        NOT NULL DEFAULT 'default',
    thread_id    text        NOT NULL,
    name         text,
    on_busy      text        NOT NULL,
    last_seq     bigint      NOT NULL,
    forked_from  jsonb,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    archived_at  timestamptz,
    PRIMARY KEY (tenant_id, thread_id),
    CONSTRAINT thread_on_busy_known CHECK (on_busy IN ('reject', 'enqueue', 'interrupt')),
    CONSTRAINT thread_last_seq_counts CHECK (last_seq >= 0)
)
"""

THREAD_MESSAGE = """
-- The places of tasks in threads. A fork of a thread shares its tasks, so a task may have several.
CREATE TABLE thread_message (
    tenant_id  text   NOT NULL DEFAULT 'default',
    thread_id  text   NOT NULL,
    seq        bigint NOT NULL,
    task_id    text   NOT NULL,
    PRIMARY KEY (tenant_id, thread_id, seq),
    CONSTRAINT thread_message_seq_positive CHECK (seq >= 1)
)
"""

# Tasks that named a thread before there were any: in the order in which they were stored.
MESSAGES_SO_FAR = """
INSERT INTO thread_message (tenant_id, thread_id, seq, task_id)
SELECT tenant_id, thread_id,
       row_number() OVER (PARTITION BY tenant_id, thread_id ORDER BY created_at, task_id), task_id
FROM task WHERE thread_id IS NOT NULL
"""

THREADS_SO_FAR = """
INSERT INTO thread (tenant_id, thread_id, on_busy, last_seq, created_at, updated_at)
SELECT tenant_id, thread_id, 'enqueue', count(*), min(created_at), max(created_at)
FROM task WHERE thread_id IS NOT NULL GROUP BY tenant_id, thread_id
"""

INDEXES = (
    # submit and retry: the tasks of a thread that are under way
    """CREATE INDEX task_for_thread ON task (tenant_id, thread_id)
       WHERE thread_id IS NOT NULL AND completed_at IS NULL""",
    # GET /agents
    "CREATE INDEX agent_for_list ON agent (tenant_id, created_at DESC, name DESC)",
    # GET /threads
    "CREATE INDEX thread_for_list ON thread (tenant_id, created_at DESC, thread_id DESC)",
    # retention, and the place of a task in its thread
    "CREATE INDEX thread_message_of_task ON thread_message (tenant_id, task_id)",
)


def upgrade() -> None:
    tables = (TASK, DEPENDENCY, AGENT, AGENT_VERSION, THREAD, THREAD_MESSAGE)
    rules = (NEVER_CHANGED, AGENT_VERSION_STAYS, MESSAGES_SO_FAR, THREADS_SO_FAR)
    for statement in (*tables, *rules, *INDEXES):
        op.execute(statement)
    for table in ("agent", "agent_version", "thread", "thread_message"):
        op.execute(f"SELECT ops_isolate('{table}')")
