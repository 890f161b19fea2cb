"""Webhooks that were deleted, until upkeep has deleted what was made for them.

Only adds a table, which is new and empty. A process of an older build deletes a webhook's deliveries with it,
and writes nothing here.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

DELETED = """
-- There may be millions of deliveries of one webhook: too many for the transaction that deletes it.
CREATE TABLE deleted_webhook (
    tenant_id   text NOT NULL DEFAULT 'default',
    webhook_id  text NOT NULL,
    PRIMARY KEY (tenant_id, webhook_id)
)
"""


def upgrade() -> None:
    op.execute(DELETED)
    op.execute("SELECT ops_isolate('deleted_webhook')")
