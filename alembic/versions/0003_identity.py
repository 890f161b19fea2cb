"""API keys, tenants, the audit log, and row-level security under the role of the doors.

Only adds. Old code goes on beside it: it connects as the owner of the tables, whom row-level security
does not bind.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ROLES = """
-- Roles belong to the whole server, so another database of it may have made them already, or make them now.
DO $$
DECLARE
    role_name text;
    -- Before version 16 whoever is a member of a role may also take it.
    may_take text := CASE WHEN current_setting('server_version_num')::int >= 160000
                          THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['opspawn_api', 'opspawn_worker'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
        END;
        IF NOT pg_has_role(role_name, may_take) THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', role_name);
        END IF;
    END LOOP;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format(
                'this user may not make the roles of Opspawn; as a superuser run '
                'CREATE ROLE opspawn_api NOLOGIN; CREATE ROLE opspawn_worker NOLOGIN; '
                'GRANT opspawn_api, opspawn_worker TO %I; then `opspawn migrate` again',
                current_user);
END
$$
"""

ISOLATE = """
-- Puts a table under row-level security. A door (opspawn_api) reads and writes the rows of the tenant that
-- its transaction has named in the setting opspawn.tenant, and none when it has named none. Workers and
-- dispatchers (opspawn_worker, and the owner of the table) serve every tenant.
CREATE FUNCTION ops_isolate(isolated regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', isolated);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO opspawn_api, opspawn_worker', isolated);
    EXECUTE format(
        'CREATE POLICY one_tenant ON %s TO opspawn_api '
        'USING (tenant_id = current_setting(''opspawn.tenant'', true)) '
        'WITH CHECK (tenant_id = current_setting(''opspawn.tenant'', true))', isolated);
    EXECUTE format(
        'CREATE POLICY every_tenant ON %s TO opspawn_worker USING (true) WITH CHECK (true)', isolated);
END
$$
"""

TENANT = """
-- Who may have keys and tasks. A tenant that is disabled is let in nowhere; its tasks go on.
CREATE TABLE tenant (
    tenant_id    text        NOT NULL,
    name         text        NOT NULL,
    created_at   timestamptz NOT NULL,
    disabled_at  timestamptz,
    PRIMARY KEY (tenant_id),
    CONSTRAINT tenant_id_is_short CHECK (tenant_id ~ '^[a-z0-9][a-z0-9_-]{0,62}$')
)
"""

DEFAULT_TENANT = """
INSERT INTO tenant (tenant_id, name, created_at) VALUES ('default', 'Default', ops_now())
"""

API_KEY = """
-- A key is told once and kept as the SHA-256 of its secret: 256 random bits cannot be guessed from it, so a
-- slow hash would only make each request slow. `previous_hash` is the secret before the last rotation.
CREATE TABLE api_key (
    tenant_id            text        NOT NULL DEFAULT 'default',
    key_id               text        NOT NULL,
    name                 text        NOT NULL,
    scopes               text[]      NOT NULL,
    secret_hash          bytea       NOT NULL,
    previous_hash        bytea,
    previous_until       timestamptz,
    requests_per_minute  integer,
    burst                integer,
    created_at           timestamptz NOT NULL,
    created_by           text        NOT NULL,
    expires_at           timestamptz,
    revoked_at           timestamptz,
    last_used_at         timestamptz,
    PRIMARY KEY (tenant_id, key_id),
    CONSTRAINT api_key_has_scopes CHECK (cardinality(scopes) >= 1),
    CONSTRAINT api_key_hash_is_sha256 CHECK (
        octet_length(secret_hash) = 32 AND COALESCE(octet_length(previous_hash), 32) = 32),
    CONSTRAINT api_key_previous_ends CHECK ((previous_hash IS NULL) = (previous_until IS NULL)),
    CONSTRAINT api_key_rate_positive CHECK (requests_per_minute >= 1 AND burst >= 1)
)
"""

AUDIT = """
-- Who was let in to do what, and who was not: written before it is done, never changed. No bodies, no
-- secrets.
CREATE TABLE audit (
    tenant_id   text        NOT NULL DEFAULT 'default',
    audit_id    text        NOT NULL,
    at          timestamptz NOT NULL,
    subject     text        NOT NULL,
    action      text        NOT NULL,
    object      text        NOT NULL,
    outcome     text        NOT NULL,
    reason      text,
    request_id  text        NOT NULL,
    PRIMARY KEY (tenant_id, audit_id),
    CONSTRAINT audit_outcome_known CHECK (outcome IN ('allowed', 'denied')),
    CONSTRAINT audit_denied_says_why CHECK ((outcome = 'denied') = (reason IS NOT NULL))
)
"""

INDEXES = (
    # authentication: the one question that is asked before the tenant is known
    "CREATE UNIQUE INDEX api_key_for_authentication ON api_key (key_id)",
    # GET /api-keys: newest first
    "CREATE INDEX api_key_for_list ON api_key (tenant_id, created_at DESC, key_id DESC)",
    # GET /audit: newest first
    "CREATE INDEX audit_for_list ON audit (tenant_id, at DESC, audit_id DESC)",
    # upkeep: the oldest lines, whosever they are
    "CREATE INDEX audit_for_retention ON audit (at)",
)

ISOLATED = (
    "task",
    "event",
    "worker",
    "dependency",
    "outbox",
    "blob",
    "tenant",
    "api_key",
    "audit",
)

# What was written there stays: a door may only add to it.
APPEND_ONLY = "REVOKE UPDATE, DELETE ON audit FROM opspawn_api"


def upgrade() -> None:
    for statement in (ROLES, ISOLATE, TENANT, DEFAULT_TENANT, API_KEY, AUDIT, *INDEXES):
        op.execute(statement)
    for table in ISOLATED:
        op.execute(f"SELECT ops_isolate('{table}')")
    op.execute(APPEND_ONLY)
