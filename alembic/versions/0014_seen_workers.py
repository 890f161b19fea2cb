"""What a worker says of itself for people to see, and that an operator wants it empty.

Only adds: an older worker writes none of this, and is listed without. It does not hear that it should drain
either; nor does an older dispatcher, which still rings for one that drains.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SEEN = """
ALTER TABLE worker
    -- Where it runs, and what.
    ADD host     text,
    ADD pid      integer,
    ADD version  text,
    -- Whether it said with its last heartbeat that it takes no more; since when an operator wants that.
    ADD draining boolean     NOT NULL DEFAULT false,
    ADD drain_at timestamptz
"""


def upgrade() -> None:
    op.execute(SEEN)
