"""Functions that run as their owner look nowhere else, and deliveries are found by tenant.

Nothing is taken away that older builds use: `webhook_delivery_for_sending` stays for their dispatchers.
The index is built beside whoever writes, after what an earlier try may have left of it.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

OWN_PATH = """
-- These run with the rights of the owner of the tables. Whoever calls one must not be able to slip tables or
-- functions of his own under it: pg_temp, which is searched first unless it is named, comes last.
DO $$
DECLARE
    called text;
BEGIN
    FOREACH called IN ARRAY ARRAY['ops_count_task()', 'ops_refusal(text, bigint, bigint)',
                                  'ops_unfinished(text)', 'ops_backlog()'] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp',
                       called, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', called);
    END LOOP;
END
$$
"""

MAY_ASK = (
    "GRANT EXECUTE ON FUNCTION ops_refusal(text, bigint, bigint) TO opspawn_api, opspawn_worker"
)

BESIDE_OTHERS = (
    # the dispatcher asks for what is due of each tenant
    "DROP INDEX CONCURRENTLY IF EXISTS webhook_delivery_for_turns",
    """CREATE INDEX CONCURRENTLY webhook_delivery_for_turns
       ON webhook_delivery (tenant_id, next_at, seq)
       WHERE next_at IS NOT NULL""",
)


def upgrade() -> None:
    op.execute(OWN_PATH)
    op.execute(MAY_ASK)
    with op.get_context().autocommit_block():
        for statement in BESIDE_OTHERS:
            op.execute(statement)
