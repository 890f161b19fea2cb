"""A task that failed may have a result: what there was when its budget or a limit ended it.

The rule becomes a wider one, so whatever older builds write fits it too; they show such a result as it is.
The rows that are there are looked at beside whoever writes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

WIDER = """
ALTER TABLE task
    DROP CONSTRAINT task_completed_has_result,
    ADD CONSTRAINT task_result_fits CHECK (CASE status
        WHEN 'completed' THEN result IS NOT NULL
        WHEN 'failed'    THEN true
        ELSE result IS NULL END) NOT VALID
"""

VALIDATE = "ALTER TABLE task VALIDATE CONSTRAINT task_result_fits"

# What comes first is committed before the check is made: a try that failed there goes on there.
IS_WIDER = """
SELECT count(*) > 0 FROM pg_constraint
WHERE conrelid = 'task'::regclass AND conname = 'task_result_fits'
"""


def upgrade() -> None:
    if not op.get_bind().scalar(sa.text(IS_WIDER)):
        op.execute(WIDER)
    with op.get_context().autocommit_block():
        op.execute(VALIDATE)
