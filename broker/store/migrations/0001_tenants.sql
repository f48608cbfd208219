-- Tenants, the outbox, and the tables every tenant has (CONTRACTS: database).
--
-- A tenant is a schema t_<16 hex> and a role of the same name that sees nothing else. What a tenant schema holds is
-- declared by broker.add_tenant_ddl(name, ddl): the DDL is kept, run for every existing tenant, and run by
-- broker.create_tenant for every new one. In it {schema} stands for the schema's name.

CREATE SCHEMA IF NOT EXISTS broker;
GRANT USAGE ON SCHEMA broker TO datapolis_broker, datapolis_tenant;

-- A membership in a tenant's role is for SET ROLE only. From version 16 on each GRANT says so itself.
DO $$ BEGIN
    IF current_setting('server_version_num')::integer < 160000 THEN
        ALTER ROLE datapolis_broker NOINHERIT;
    END IF;
END $$;

CREATE TABLE broker.tenants (
    tenant     text COLLATE "C" PRIMARY KEY,
    schema     text COLLATE "C" NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON broker.tenants TO datapolis_broker;

CREATE TABLE broker.tenant_ddl (
    ord  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    ddl  text NOT NULL
);

-- Committed changes that Kafka does not have yet. The relay claims rows (FOR UPDATE SKIP LOCKED) and deletes them after
-- the acknowledgement; id is an order of arrival only, never a cursor.
CREATE TABLE broker.outbox (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant  text COLLATE "C" NOT NULL,
    entity  text COLLATE "C" NOT NULL,
    payload text NOT NULL,
    at      timestamptz NOT NULL DEFAULT now()
);
GRANT INSERT ON broker.outbox TO datapolis_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON broker.outbox TO datapolis_broker;

-- JSON-LD contexts fetched from outside, kept so that the platform starts and serves with the network off.
CREATE TABLE broker.contexts (
    url        text COLLATE "C" PRIMARY KEY,
    body       text NOT NULL,
    fetched_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON broker.contexts TO datapolis_broker;

-- One row of t_*.entities as the write engine sends it: an array of these is one parameter of one statement.
CREATE TYPE broker.entity_row AS (
    id          text,
    types       text[],
    scopes      text[],
    names       text[],
    segs        text[],
    vals        jsonb,
    location    bytea,
    meta        jsonb,
    created_at  timestamptz,
    modified_at timestamptz,
    expires_at  timestamptz,
    version     bigint
);

CREATE FUNCTION broker.run_tenant_ddl(p_schema text, p_ddl text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    EXECUTE replace(p_ddl, '{schema}', quote_ident(p_schema));
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %1$I TO %1$I', p_schema);
END $$;
REVOKE ALL ON FUNCTION broker.run_tenant_ddl(text, text) FROM PUBLIC;

CREATE FUNCTION broker.add_tenant_ddl(p_name text, p_ddl text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE
    t record;
BEGIN
    INSERT INTO broker.tenant_ddl (name, ddl) VALUES (p_name, p_ddl);
    FOR t IN SELECT schema FROM broker.tenants ORDER BY schema LOOP
        PERFORM broker.run_tenant_ddl(t.schema, p_ddl);
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION broker.add_tenant_ddl(text, text) FROM PUBLIC;

-- Make the tenant (idempotent); give its schema.
CREATE FUNCTION broker.create_tenant(p_tenant text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    s text := 't_' || substr(encode(sha256(convert_to(p_tenant, 'UTF8')), 'hex'), 1, 16);
    d record;
    with_set text := CASE WHEN current_setting('server_version_num')::integer >= 160000
                          THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END;
BEGIN
    IF p_tenant !~ '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$' THEN
        RAISE EXCEPTION 'tenant name % is not 1 to 63 of letters, digits, _, - and .', p_tenant USING ERRCODE = '22023';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('datapolis.create_tenant', 0));
    IF EXISTS (SELECT FROM broker.tenants WHERE tenant = p_tenant) THEN
        RETURN s;
    END IF;
    -- Roles belong to the whole cluster: another database may have made this one, or be making it now.
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = s) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', s);
        END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
    END;
    IF NOT pg_has_role('datapolis_broker', s, 'MEMBER') THEN
        EXECUTE format('GRANT %I TO datapolis_broker', s) || with_set;
    END IF;
    IF NOT pg_has_role(s, 'datapolis_tenant', 'USAGE') THEN
        EXECUTE format('GRANT datapolis_tenant TO %I', s);
    END IF;
    EXECUTE format('CREATE SCHEMA %I', s);
    EXECUTE format('GRANT USAGE ON SCHEMA %1$I TO %1$I', s);
    FOR d IN SELECT ddl FROM broker.tenant_ddl ORDER BY ord LOOP
        PERFORM broker.run_tenant_ddl(s, d.ddl);
    END LOOP;
    INSERT INTO broker.tenants (tenant, schema) VALUES (p_tenant, s);
    RETURN s;
END $$;
REVOKE ALL ON FUNCTION broker.create_tenant(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION broker.create_tenant(text) TO datapolis_broker;
