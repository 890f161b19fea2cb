"""Submits that go together: how many of them there is room for, and one note of how many were stored.

Only adds, but for one trigger that counts a statement's tasks where it counted each row; builds before and
after it may run side by side. `DROP TRIGGER` locks `task` for a moment, and the wider column its small table:
in this order, for a task is stored before it is counted. The other way round a submit and the migration would
each wait for what the other has.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ROOM = """
-- How many of the `wanted` tasks a tenant may store now. As `ops_refusal`, for a batch: far from a limit the
-- sums are read and nobody waits; near it (more than all doors together have under way in batches) one batch
-- after the other looks, under the same locks in the same order, so that the limit holds exactly. The sums
-- are those of `ops_unfinished` and `ops_backlog`, which would be planned anew by each call.
CREATE FUNCTION ops_room(tenant text, max_unfinished bigint, max_backlog bigint, wanted integer)
RETURNS integer LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    near CONSTANT bigint := 20000;
    room bigint := wanted;
    found bigint;
BEGIN
    FOR look IN 1..2 LOOP
        EXIT WHEN max_unfinished IS NULL;
        SELECT COALESCE((SELECT unfinished FROM tenant_load WHERE tenant_id = tenant), 0)
             + COALESCE((SELECT sum(change) FROM load_change WHERE tenant_id = tenant), 0) INTO found;
        EXIT WHEN look = 2 OR found <= max_unfinished - near;
        PERFORM pg_advisory_xact_lock(hashtextextended('opspawn admission of ' || tenant, 0));
    END LOOP;
    room := LEAST(room, max_unfinished - found);
    FOR look IN 1..2 LOOP
        EXIT WHEN max_backlog IS NULL;
        SELECT COALESCE((SELECT sum(unfinished) FROM tenant_load), 0)
             + COALESCE((SELECT sum(change) FROM load_change), 0) INTO found;
        EXIT WHEN look = 2 OR found <= max_backlog - near;
        PERFORM pg_advisory_xact_lock(hashtextextended('opspawn admission', 0));
    END LOOP;
    RETURN GREATEST(LEAST(room, max_backlog - found), 0);
END $$
"""

OWN_PATH = """
-- As in 0009: what runs with the rights of the owner looks nowhere else, and is for nobody else.
DO $$
DECLARE
    called text;
BEGIN
    FOREACH called IN ARRAY ARRAY['ops_room(text, bigint, bigint, integer)', 'ops_count_stored()'] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp',
                       called, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', called);
    END LOOP;
END
$$
"""

MAY_ASK = """
GRANT EXECUTE ON FUNCTION ops_room(text, bigint, bigint, integer) TO opspawn_api, opspawn_worker
"""

# A batch may store more tasks in one statement than the number of a row was made for.
WIDER = "ALTER TABLE load_change ALTER change TYPE integer"

COUNT_STORED = """
CREATE FUNCTION ops_count_stored() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO load_change (tenant_id, change)
    SELECT tenant_id, count(*) FROM stored WHERE completed_at IS NULL GROUP BY tenant_id;
    RETURN NULL;
END $$
"""

COUNTED = (
    "DROP TRIGGER task_is_stored ON task",
    """CREATE TRIGGER task_is_stored AFTER INSERT ON task REFERENCING NEW TABLE AS stored
       FOR EACH STATEMENT EXECUTE FUNCTION ops_count_stored()""",
)


def upgrade() -> None:
    for statement in (ROOM, COUNT_STORED, *COUNTED, WIDER, OWN_PATH, MAY_ASK):
        op.execute(statement)
