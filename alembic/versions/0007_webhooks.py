"""Webhooks, and what is to be sent to them: written by a trigger with the event itself.

The tables are new. The trigger reads one of them at each statement that appends events, whoever's code that
is: while there is no webhook it writes nothing. `CREATE TRIGGER` locks `event` against writers for a moment.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

WEBHOOK = """
-- A subscription of a tenant (task_id is null), or the webhook of one task. A secret signs what is sent, so
-- it cannot be kept as a hash; no door ever shows it again.
CREATE TABLE webhook (
    tenant_id        text        NOT NULL DEFAULT 'default',
    webhook_id       text        NOT NULL,
    task_id          text,
    url              text        NOT NULL,
    events           text[]      NOT NULL,

    -- What a task must be for its events to be sent; null and {} ask for nothing.
    task_type        text,
    agent            text,
    labels           jsonb       NOT NULL DEFAULT '{}',

    description      text,
    secret           text,
    previous_secret  text,
    previous_until   timestamptz,
    enabled          boolean     NOT NULL DEFAULT true,
    disabled_reason  text,
    failing_since    timestamptz,
    created_by       text        NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, webhook_id),
    CONSTRAINT webhook_has_events CHECK (cardinality(events) >= 1),
    CONSTRAINT webhook_subscription_signs CHECK (task_id IS NOT NULL OR secret IS NOT NULL),
    CONSTRAINT webhook_previous_ends CHECK ((previous_secret IS NULL) = (previous_until IS NULL)),
    CONSTRAINT webhook_disabled_for CHECK (
        disabled_reason IS NULL OR (disabled_reason IN ('gone', 'failing') AND NOT enabled))
)
"""

DELIVERY = """
-- An event for a webhook. No foreign key to it: writing an event must not lock a webhook.
CREATE TABLE webhook_delivery (
    tenant_id    text        NOT NULL DEFAULT 'default',
    delivery_id  text        NOT NULL,
    webhook_id   text        NOT NULL,
    task_id      text,
    seq          bigint,
    type         text        NOT NULL,
    status       text        NOT NULL DEFAULT 'pending',

    -- `tries` since it was last asked for; `claim` counts claims for ever: it tells a late record apart.
    tries        integer     NOT NULL DEFAULT 0,
    claim        bigint      NOT NULL DEFAULT 0,
    next_at      timestamptz,
    attempts     jsonb       NOT NULL DEFAULT '[]',
    created_at   timestamptz NOT NULL,
    asked_at     timestamptz NOT NULL,
    ended_at     timestamptz,
    PRIMARY KEY (tenant_id, delivery_id),
    CONSTRAINT webhook_delivery_status CHECK (status IN ('pending', 'delivered', 'failed')),
    CONSTRAINT webhook_delivery_pending_is_due CHECK (
        (status = 'pending') = (next_at IS NOT NULL) AND (status = 'pending') = (ended_at IS NULL)),
    CONSTRAINT webhook_delivery_of_an_event CHECK ((task_id IS NULL) = (seq IS NULL))
)
"""

ON_EVENTS = """
-- Makes a delivery of each new event for each webhook that asks for it, in the transaction that appends the
-- event: whoever commits the one commits the other. Locks nothing. Indexes: webhook_for_events, and the
-- primary key of task.
CREATE FUNCTION ops_events_for_webhooks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM webhook) THEN
        RETURN NULL;
    END IF;
    INSERT INTO webhook_delivery (
        tenant_id, delivery_id, webhook_id, task_id, seq, type, next_at, created_at, asked_at)
    SELECT f.tenant_id, 'dlv_' || replace(gen_random_uuid()::text, '-', ''), w.webhook_id,
           f.task_id, f.seq, f.type, f.at, f.at, f.at
    FROM fresh f CROSS JOIN LATERAL (
        SELECT webhook_id, events FROM webhook
        WHERE tenant_id = f.tenant_id AND task_id = f.task_id AND enabled
        UNION ALL
        SELECT s.webhook_id, s.events
        FROM webhook s JOIN task t ON t.tenant_id = f.tenant_id AND t.task_id = f.task_id
        WHERE s.tenant_id = f.tenant_id AND s.task_id IS NULL AND s.enabled
          AND (s.task_type IS NULL OR s.task_type = t.task_type)
          AND (s.agent IS NULL OR s.agent = t.agent)
          AND t.labels @> s.labels
    ) w
    WHERE w.events && ARRAY['*', split_part(f.type, '.', 1) || '.*', f.type];
    RETURN NULL;
END
$$
"""

TRIGGER = """
CREATE TRIGGER event_for_webhooks AFTER INSERT ON event
REFERENCING NEW TABLE AS fresh
FOR EACH STATEMENT EXECUTE FUNCTION ops_events_for_webhooks()
"""

INDEXES = (
    # the trigger: the webhook of a task, and the subscriptions of a tenant
    "CREATE INDEX webhook_for_events ON webhook (tenant_id, task_id)",
    # GET /webhooks
    """CREATE INDEX webhook_for_list ON webhook (tenant_id, created_at DESC, webhook_id DESC)
       WHERE task_id IS NULL""",
    # the dispatcher asks for what is due
    """CREATE INDEX webhook_delivery_for_sending ON webhook_delivery (next_at, seq)
       WHERE next_at IS NOT NULL""",
    # the doors list what was sent to a webhook
    """CREATE INDEX webhook_delivery_for_webhook
       ON webhook_delivery (tenant_id, webhook_id, created_at DESC, delivery_id DESC)""",
    # GET /tasks/{id}/deliveries; retention: what was sent of a task goes with it
    """CREATE INDEX webhook_delivery_for_task
       ON webhook_delivery (tenant_id, task_id, created_at DESC, delivery_id DESC)
       WHERE task_id IS NOT NULL""",
    # upkeep: the oldest that ended
    """CREATE INDEX webhook_delivery_for_retention ON webhook_delivery (ended_at)
       WHERE ended_at IS NOT NULL""",
)

# Tenants are kept apart where the database knows how (the migration of identity may come after this one).
ISOLATE = """
DO $$
BEGIN
    IF to_regproc('ops_isolate') IS NOT NULL THEN
        PERFORM ops_isolate('webhook'), ops_isolate('webhook_delivery');
    END IF;
END
$$
"""


def upgrade() -> None:
    for statement in (WEBHOOK, DELIVERY, ON_EVENTS, TRIGGER, *INDEXES, ISOLATE):
        op.execute(statement)
