-- Context source registrations (CIM 009 V1.9.1, 5.2.9), what they are found by, and the changes of them.

-- Raised by every change of a tenant's registrations, so that who keeps them in memory sees when to read them again.
CREATE TABLE broker.registration_revision (
    schema   text COLLATE "C" PRIMARY KEY,
    revision bigint NOT NULL
);
GRANT SELECT ON broker.registration_revision TO datapolis_broker;

CREATE FUNCTION broker.touch_registrations() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO broker.registration_revision AS r (schema, revision) VALUES (TG_TABLE_SCHEMA, 1)
    ON CONFLICT (schema) DO UPDATE SET revision = r.revision + 1;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION broker.touch_registrations() FROM PUBLIC;

-- doc is the registration in internal form (expanded names). names, segs and vals are its members as an entity's
-- columns have attributes, so that a context source filter is compiled as q is; scopes and the three geometries too.
-- The intervals are canonical texts, which order as the instants do.
SELECT broker.add_tenant_ddl('registrations', $ddl$
CREATE TABLE {schema}.registrations (
    id                text COLLATE "C" PRIMARY KEY,
    doc               text NOT NULL,
    party             text COLLATE "C" NOT NULL,
    mode              text COLLATE "C" NOT NULL,
    created_at        timestamptz NOT NULL,
    modified_at       timestamptz NOT NULL,
    expires_at        timestamptz,
    names             text[] COLLATE "C" NOT NULL,
    segs              text[] COLLATE "C" NOT NULL,
    vals              jsonb NOT NULL,
    scopes            text[] COLLATE "C",
    location          geometry(Geometry, 4326),
    observation_space geometry(Geometry, 4326),
    operation_space   geometry(Geometry, 4326),
    observed_from     text COLLATE "C",
    observed_to       text COLLATE "C",
    managed_from      text COLLATE "C",
    managed_to        text COLLATE "C"
);
CREATE INDEX registrations_party ON {schema}.registrations (party, id);
CREATE INDEX registrations_location ON {schema}.registrations USING gist (location);
CREATE INDEX registrations_expires ON {schema}.registrations (expires_at) WHERE expires_at IS NOT NULL;
CREATE TRIGGER registrations_touch AFTER INSERT OR UPDATE OR DELETE ON {schema}.registrations
    FOR EACH STATEMENT EXECUTE FUNCTION broker.touch_registrations();

-- One row for each EntityInfo of each RegistrationInfo; one that names no entities, types or attributes stands for any,
-- which is {""}. pattern is the canonical expression of an id pattern; it is NULL where there is an id.
CREATE TABLE {schema}.registration_info (
    registration text COLLATE "C" NOT NULL REFERENCES {schema}.registrations (id) ON DELETE CASCADE,
    types        text[] COLLATE "C" NOT NULL,
    entity       text COLLATE "C",
    pattern      text COLLATE "C",
    attrs        text[] COLLATE "C" NOT NULL
);
CREATE INDEX registration_info_registration ON {schema}.registration_info (registration);
CREATE INDEX registration_info_types ON {schema}.registration_info USING gin (types);
CREATE INDEX registration_info_attrs ON {schema}.registration_info USING gin (attrs);
CREATE INDEX registration_info_entity ON {schema}.registration_info (entity) WHERE entity IS NOT NULL;
$ddl$);

-- Each change of a registration, written in its transaction: as it was and as it is (NULL: there was or is none). Who
-- notifies claims rows (FOR UPDATE SKIP LOCKED) and deletes them; seq is an order of arrival only, never a cursor.
CREATE TABLE broker.registration_changes (
    seq          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant       text COLLATE "C" NOT NULL,
    registration text COLLATE "C" NOT NULL,
    was          text,
    now          text,
    at           timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX registration_changes_tenant ON broker.registration_changes (tenant, seq);
GRANT INSERT ON broker.registration_changes TO datapolis_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON broker.registration_changes TO datapolis_broker;
