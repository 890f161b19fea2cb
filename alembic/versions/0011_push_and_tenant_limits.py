"""Push notifications of A2A, and what each tenant may have under way.

Only adds nullable columns, which locks their tables for a moment; what has to be read for is done beside
whoever writes, the index after what an earlier try may have left of it.

Older dispatchers would send to a receiver of A2A what other webhooks are sent, and without its token: they
should be gone before there is one. Older doors do not know the limits of tenants.
"""

import sqlalchemy as sa
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
             ELSE task_id IS NOT NULL END) NOT VALID
"""

TENANT = """
ALTER TABLE tenant
    -- How many unfinished tasks it may have; null: as many as the settings say.
    ADD max_unfinished bigint,

    ADD CONSTRAINT tenant_max_unfinished_positive CHECK (max_unfinished >= 1) NOT VALID
"""

BESIDE_OTHERS = (
    "ALTER TABLE webhook VALIDATE CONSTRAINT webhook_push_is_of_a_task",
    "ALTER TABLE tenant VALIDATE CONSTRAINT tenant_max_unfinished_positive",
    # one config of a task with an id, and the list of them
    "DROP INDEX CONCURRENTLY IF EXISTS webhook_push",
    """CREATE UNIQUE INDEX CONCURRENTLY webhook_push
       ON webhook (tenant_id, task_id, config_id)
       WHERE config_id IS NOT NULL""",
)

# What comes first is committed before the index is begun: a try that failed there goes on there.
IS_ADDED = """
SELECT count(*) > 0 FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = 'tenant' AND column_name = 'max_unfinished'
"""


def upgrade() -> None:
    if not op.get_bind().scalar(sa.text(IS_ADDED)):
        for statement in (WEBHOOK, TENANT):
            op.execute(statement)
    with op.get_context().autocommit_block():
        for statement in BESIDE_OTHERS:
            op.execute(statement)
