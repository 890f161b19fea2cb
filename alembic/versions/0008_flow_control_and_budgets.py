"""Admission, fairness between tenants, concurrency keys with rates, and budgets.

Only adds: the statements of older builds go on working beside it, and what they store and end is counted too,
because triggers count. But older workers know neither gates nor budgets: they claim what waits behind a gate,
and reserve nothing, so they should be gone before tasks have either.

Submits and steps wait while the unfinished tasks are counted and the columns are added; what takes longer
runs beside them: indexes on `task` are built concurrently, each after what an earlier try may have left of
it, and the constraint is validated. `task_for_fair_claim` takes the place of `task_for_claim`, which the
planner would else read a whole backlog through for one tenant. Older workers claim without an index from then
until they are gone.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TASK = """
ALTER TABLE task
    -- Of the tasks with one key only so many run at once. `gated`: it waits for its turn among them, and
    -- no claim sees it; upkeep, or whoever made room, opens the gate.
    ADD concurrency_key text,
    ADD gated           boolean NOT NULL DEFAULT false,

    -- What it may use at most, itself and its children; and the budgets of tasks that it draws on.
    ADD budget          jsonb,
    ADD budget_ids      text[],

    ADD CONSTRAINT task_gated_has_key CHECK (NOT gated OR concurrency_key IS NOT NULL) NOT VALID
"""

LOAD = """
-- How many unfinished tasks a tenant has: this sum, and the changes that were not folded into it yet.
CREATE TABLE tenant_load (
    tenant_id   text   NOT NULL DEFAULT 'default',
    unfinished  bigint NOT NULL,
    PRIMARY KEY (tenant_id)
)
"""

LOAD_CHANGE = """
-- Tasks that were stored, ended or were opened again: written in their own transactions, and never updated,
-- because one counter a tenant would make its submits wait for each other's commits. Rows come and go, so it
-- is vacuumed by their number: a sum reads past what is dead.
CREATE TABLE load_change (
    tenant_id  text     NOT NULL DEFAULT 'default',
    change_id  bigint   GENERATED ALWAYS AS IDENTITY,
    change     smallint NOT NULL,
    PRIMARY KEY (tenant_id, change_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)
"""

COUNT_TASK = """
CREATE FUNCTION ops_count_task() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO load_change (tenant_id, change) VALUES (OLD.tenant_id, -1);
    ELSE
        INSERT INTO load_change (tenant_id, change)
        VALUES (NEW.tenant_id, CASE WHEN NEW.completed_at IS NULL THEN 1 ELSE -1 END);
    END IF;
    RETURN NULL;
END $$
"""

COUNTED = (
    """CREATE TRIGGER task_is_stored AFTER INSERT ON task FOR EACH ROW
       WHEN (NEW.completed_at IS NULL) EXECUTE FUNCTION ops_count_task()""",
    # `OF completed_at`: a step changes nothing here, and must not pay for it.
    """CREATE TRIGGER task_is_over AFTER UPDATE OF completed_at ON task FOR EACH ROW
       WHEN ((OLD.completed_at IS NULL) <> (NEW.completed_at IS NULL))
       EXECUTE FUNCTION ops_count_task()""",
    """CREATE TRIGGER task_is_deleted AFTER DELETE ON task FOR EACH ROW
       WHEN (OLD.completed_at IS NULL) EXECUTE FUNCTION ops_count_task()""",
    """INSERT INTO tenant_load (tenant_id, unfinished)
       SELECT tenant_id, count(*) FROM task WHERE completed_at IS NULL GROUP BY tenant_id""",
)

REFUSAL = """
-- Why a tenant may store no more tasks now; NULL when it may. Far from a limit the sums are read and nobody
-- waits; within 1,000 of it (more than there are submits under way at once) one submit after the other
-- looks, so that the limit holds exactly. Every statement in here sees what was committed before it.
CREATE FUNCTION ops_refusal(tenant text, max_unfinished bigint, max_backlog bigint) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    near CONSTANT bigint := 1000;
    found bigint;
BEGIN
    IF max_unfinished IS NOT NULL THEN
        found := ops_unfinished(tenant);
        IF found > max_unfinished - near THEN
            PERFORM pg_advisory_xact_lock(hashtextextended('opspawn admission of ' || tenant, 0));
            found := ops_unfinished(tenant);
        END IF;
        IF found >= max_unfinished THEN
            RETURN 'too_many_tasks';
        END IF;
    END IF;
    IF max_backlog IS NOT NULL THEN
        found := ops_backlog();
        IF found > max_backlog - near THEN
            PERFORM pg_advisory_xact_lock(hashtextextended('opspawn admission', 0));
            found := ops_backlog();
        END IF;
        IF found >= max_backlog THEN
            RETURN 'backlog_full';
        END IF;
    END IF;
    RETURN NULL;
END $$
"""

UNFINISHED = """
CREATE FUNCTION ops_unfinished(tenant text) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT COALESCE((SELECT unfinished FROM tenant_load WHERE tenant_id = tenant), 0)
         + COALESCE((SELECT sum(change) FROM load_change WHERE tenant_id = tenant), 0)
$$
"""

BACKLOG = """
CREATE FUNCTION ops_backlog() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT COALESCE((SELECT sum(unfinished) FROM tenant_load), 0)
         + COALESCE((SELECT sum(change) FROM load_change), 0)
$$
"""

TURN = (
    "CREATE SEQUENCE claim_turn",
    """
-- Which tenants were served last: who waited longest is served first. Only written while several wait.
CREATE TABLE tenant_turn (
    tenant_id  text   NOT NULL DEFAULT 'default',
    turn       bigint NOT NULL,
    PRIMARY KEY (tenant_id)
)
""",
)

KEY_LIMIT = """
-- How many tasks of a concurrency key run at once, and how many may start in a while (a token bucket).
CREATE TABLE key_limit (
    tenant_id    text        NOT NULL DEFAULT 'default',
    key          text        NOT NULL,
    concurrency  integer     NOT NULL,
    rate_count   integer,
    rate_per_s   float8,
    tokens       float8      NOT NULL DEFAULT 0,
    refilled_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key),
    CONSTRAINT key_limit_lets_some_run CHECK (concurrency >= 1 AND rate_count >= 1 AND rate_per_s > 0),
    CONSTRAINT key_limit_rate_is_whole CHECK ((rate_count IS NULL) = (rate_per_s IS NULL))
)
"""

BUDGET = """
-- What may be used, what was, and what calls under way may still use. Without `period` it is the budget of
-- the task of that id and of its children; else a tenant's own, which begins anew every `period`.
CREATE TABLE budget (
    tenant_id          text        NOT NULL DEFAULT 'default',
    budget_id          text        NOT NULL,
    period             text,
    max_cost_usd       numeric,
    max_tokens         bigint,
    max_steps          bigint,
    max_seconds        float8,
    spent_cost_usd     numeric     NOT NULL DEFAULT 0,
    spent_tokens       bigint      NOT NULL DEFAULT 0,
    spent_steps        bigint      NOT NULL DEFAULT 0,
    spent_seconds      float8      NOT NULL DEFAULT 0,
    reserved_cost_usd  numeric     NOT NULL DEFAULT 0,
    reserved_tokens    bigint      NOT NULL DEFAULT 0,
    reserved_steps     bigint      NOT NULL DEFAULT 0,
    reserved_seconds   float8      NOT NULL DEFAULT 0,
    since              timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, budget_id),
    CONSTRAINT budget_period_known CHECK (period IN ('day', 'month', 'total')),
    CONSTRAINT budget_counts_positive CHECK (
        spent_cost_usd >= 0 AND spent_tokens >= 0 AND spent_steps >= 0 AND spent_seconds >= 0
        AND reserved_cost_usd >= 0 AND reserved_tokens >= 0 AND reserved_steps >= 0)
)
"""

PERIOD_IS_OVER = """
-- Whether a budget that began then begins anew: days and months are those of UTC.
CREATE FUNCTION ops_period_is_over(period text, since timestamptz) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT period IN ('day', 'month') AND date_trunc(period, since AT TIME ZONE 'UTC')
                                        < date_trunc(period, ops_now() AT TIME ZONE 'UTC')
$$
"""

RESERVATION = """
-- What one call may use of one budget, from before it until its step is recorded. One whose task is not
-- running any more under its epoch is dead, and counts for nobody.
CREATE TABLE reservation (
    tenant_id  text    NOT NULL DEFAULT 'default',
    budget_id  text    NOT NULL,
    task_id    text    NOT NULL,
    path       text    NOT NULL,
    epoch      bigint  NOT NULL,
    cost_usd   numeric NOT NULL,
    tokens     bigint  NOT NULL,
    steps      bigint  NOT NULL,
    seconds    float8  NOT NULL,
    PRIMARY KEY (tenant_id, budget_id, task_id, path)
)
"""

# budgets: what a task has reserved
OF_TASK = "CREATE INDEX reservation_of_task ON reservation (tenant_id, task_id)"

BESIDE_OTHERS = (
    "ALTER TABLE task VALIDATE CONSTRAINT task_gated_has_key",
    # claim: the tenants that have pending tasks in a queue, and each one's best due rows
    "DROP INDEX CONCURRENTLY IF EXISTS task_for_fair_claim",
    """CREATE INDEX CONCURRENTLY task_for_fair_claim
       ON task (queue, tenant_id, priority DESC, runnable_at, task_id)
       WHERE status = 'pending' AND NOT gated""",
    # gates: the keys at whose gates tasks wait, and each one's best
    "DROP INDEX CONCURRENTLY IF EXISTS task_for_gate",
    """CREATE INDEX CONCURRENTLY task_for_gate
       ON task (tenant_id, concurrency_key, priority DESC, runnable_at, task_id)
       WHERE status = 'pending' AND gated""",
    # gates: how many are inside
    "DROP INDEX CONCURRENTLY IF EXISTS task_for_key",
    """CREATE INDEX CONCURRENTLY task_for_key ON task (tenant_id, concurrency_key)
       WHERE concurrency_key IS NOT NULL AND NOT gated AND status IN ('pending', 'running')""",
    "DROP INDEX CONCURRENTLY IF EXISTS task_for_claim",
)

# What comes first is committed before the indexes are begun: a try that failed at one of these goes on there.
IS_ADDED = "SELECT to_regclass('reservation') IS NOT NULL"

ISOLATED = ("tenant_load", "load_change", "tenant_turn", "key_limit", "budget", "reservation")

# A door may ask whether there is room, which the owner's eyes look for: not how much others have under way.
COUNTED_UNSEEN = (
    "REVOKE INSERT, UPDATE, DELETE ON tenant_load, load_change FROM opspawn_api",
    "REVOKE EXECUTE ON FUNCTION ops_unfinished(text), ops_backlog() FROM PUBLIC",
)
TURNS = (
    "REVOKE INSERT, UPDATE, DELETE ON tenant_turn FROM opspawn_api",
    "GRANT USAGE ON SEQUENCE claim_turn TO opspawn_worker",
)


def upgrade() -> None:
    if not op.get_bind().scalar(sa.text(IS_ADDED)):
        add()
    with op.get_context().autocommit_block():
        for statement in BESIDE_OTHERS:
            op.execute(statement)


def add() -> None:
    for statement in (
        *(LOAD, LOAD_CHANGE, COUNT_TASK, UNFINISHED, BACKLOG, REFUSAL, *TURN),
        *(KEY_LIMIT, BUDGET, PERIOD_IS_OVER, RESERVATION, OF_TASK, *COUNTED, TASK),
    ):
        op.execute(statement)
    for table in ISOLATED:
        op.execute(f"SELECT ops_isolate('{table}')")
    for statement in (*COUNTED_UNSEEN, *TURNS):
        op.execute(statement)
