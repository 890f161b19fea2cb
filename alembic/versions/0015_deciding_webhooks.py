"""Webhooks whose receivers may decide.

Only adds a column with a constant default, which locks the table for a moment.

Older dispatchers do not listen to what such a receiver decides, and older doors would change where it is
without asking for the right: they should be gone before there is one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

DECIDES = """
ALTER TABLE webhook
    -- Whether what the receiver answers resolves what tasks ask for.
    ADD decides boolean NOT NULL DEFAULT false,

    ADD CONSTRAINT webhook_push_decides_nothing CHECK (config_id IS NULL OR NOT decides) NOT VALID
"""

VALIDATE = "ALTER TABLE webhook VALIDATE CONSTRAINT webhook_push_decides_nothing"

# What comes first is committed before the check is made: a try that failed there goes on there.
IS_ADDED = """
SELECT count(*) > 0 FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = 'webhook' AND column_name = 'decides'
"""


def upgrade() -> None:
    if not op.get_bind().scalar(sa.text(IS_ADDED)):
        op.execute(DECIDES)
    with op.get_context().autocommit_block():
        op.execute(VALIDATE)
