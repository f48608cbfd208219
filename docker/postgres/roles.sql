-- Roles and the extension of one Datapolis database. Run by a superuser through `python -m docker.migrate --roles`,
-- safe to repeat. Passwords come from session settings (datapolis.password_<role>); a role without one keeps its own.
-- Grants on tables are not here: each package's migrations write theirs.

DO $roles$
DECLARE
    role text;
    secret text;
BEGIN
    -- Roles belong to the whole cluster, so two databases may be set up at the same time.
    PERFORM pg_advisory_xact_lock(7233101);
    FOREACH role IN ARRAY ARRAY['owner', 'broker', 'policies', 'catalog'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'datapolis_' || role) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', 'datapolis_' || role);
        END IF;
        secret := current_setting('datapolis.password_' || role, true);
        IF secret <> '' THEN
            EXECUTE format('ALTER ROLE %I PASSWORD %L', 'datapolis_' || role, secret);
        END IF;
    END LOOP;
    -- Tenant roles inherit from this one what every tenant may do: INSERT into broker.outbox and policies.audit_pending.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'datapolis_tenant') THEN
        CREATE ROLE datapolis_tenant NOLOGIN;
    END IF;
    -- The owner makes a schema and a role per tenant.
    ALTER ROLE datapolis_owner CREATEROLE;
    GRANT datapolis_tenant TO datapolis_owner WITH ADMIN OPTION;
    EXECUTE format('GRANT CREATE, TEMPORARY ON DATABASE %I TO datapolis_owner', current_database());
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    FOREACH role IN ARRAY ARRAY['owner', 'broker', 'policies', 'catalog'] LOOP
        EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), 'datapolis_' || role);
    END LOOP;
END
$roles$;

CREATE EXTENSION IF NOT EXISTS postgis;
