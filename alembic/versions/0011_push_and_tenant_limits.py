"""Push notifications of A2A, and what each tenant may have under way.

Only adds nullable columns, which locks their tables for a moment. Older dispatchers would send to a receiver
of A2A what other webhooks are sent, and without its token: they should be gone before there is one. Older
doors do not know the limits of tenants.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

WEBHOOK = """
ALTER TABLE webhook
    -- A push notification config of A2A: its name for it, and by what the receiver knows us. Secrets too.
    ADD config_id   text,
    ADD token       text,
    ADD scheme      text,
    ADD credentials text,

    ADD CONSTRAINT webhook_push_is_of_a_task CHECK (
        CASE WHEN config_id IS NULL
             THEN num_nonnulls(token, scheme, credentials) = 0
             ELSE task_id IS NOT NULL END)
"""

# one config of a task with an id, and the list of them
PUSH = """
CREATE UNIQUE INDEX webhook_push ON webhook (tenant_id, task_id, config_id) WHERE config_id IS NOT NULL
"""

TENANT = """
ALTER TABLE tenant
    -- How many unfinished tasks it may have; null: as many as the settings say.
    ADD max_unfinished bigint,

    ADD CONSTRAINT tenant_max_unfinished_positive CHECK (max_unfinished >= 1)
"""


def upgrade() -> None:
    for statement in (WEBHOOK, PUSH, TENANT):
        op.execute(statement)
