-- Current state and history of a tenant's entities.
--
-- entities: names[i] is an attribute's IRI, segs[i] the JSON text of its instance (object) or instances (array). A
-- segment that starts with a space has names inside that need compaction; any other can be sent as it is. vals holds
-- {IRI: scalar} of attributes with exactly one default instance whose value, object or vocab is a JSON scalar. meta is
-- {IRI: {datasetId or "": [observed, createdAt, modifiedAt, received, event]}} with the keys of types, scope and floor
-- under @type, @scope and @floor (broker.core.patch). entity_geo holds the default instance of every GeoProperty but
-- `location`, which is entities.location. tombstones holds the floor of what is gone, and its last version, so that
-- versions never repeat. history's attr '' is the entity itself.

SELECT broker.add_tenant_ddl('entities', $ddl$
CREATE TABLE {schema}.entities (
    id          text COLLATE "C" PRIMARY KEY,
    types       text[] COLLATE "C" NOT NULL,
    scopes      text[] COLLATE "C",
    names       text[] COLLATE "C" NOT NULL,
    segs        text[] COLLATE "C" NOT NULL,
    vals        jsonb NOT NULL,
    location    geometry(Geometry, 4326),
    meta        jsonb NOT NULL,
    created_at  timestamptz NOT NULL,
    modified_at timestamptz NOT NULL,
    expires_at  timestamptz,
    version     bigint NOT NULL
) WITH (fillfactor = 85, toast_tuple_target = 4080);
CREATE INDEX entities_location ON {schema}.entities USING gist (location);
CREATE INDEX entities_expires ON {schema}.entities (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE {schema}.entity_type (
    type text COLLATE "C" NOT NULL,
    id   text COLLATE "C" NOT NULL,
    PRIMARY KEY (type, id)
);

CREATE TABLE {schema}.entity_geo (
    id   text COLLATE "C" NOT NULL,
    attr text COLLATE "C" NOT NULL,
    geom geometry(Geometry, 4326) NOT NULL,
    PRIMARY KEY (id, attr)
);
CREATE INDEX entity_geo_geom ON {schema}.entity_geo USING gist (geom);

CREATE TABLE {schema}.tombstones (
    id      text COLLATE "C" PRIMARY KEY,
    floor   text[] COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE {schema}.history (
    entity      text COLLATE "C" NOT NULL,
    attr        text COLLATE "C" NOT NULL,
    dataset_id  text COLLATE "C" NOT NULL DEFAULT '',
    observed_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    event       text COLLATE "C" NOT NULL,
    instance_id uuid NOT NULL DEFAULT gen_random_uuid(),
    kind        text COLLATE "C" NOT NULL CHECK (kind IN ('value', 'deleted', 'replaced')),
    body        text COLLATE "C",
    PRIMARY KEY (entity, attr, dataset_id, observed_at)
) PARTITION BY RANGE (observed_at);
CREATE TABLE {schema}.history_default PARTITION OF {schema}.history DEFAULT;
$ddl$);

-- One row of history as the write engine sends it.
CREATE TYPE broker.history_row AS (
    entity      text,
    attr        text,
    dataset_id  text,
    observed_at timestamptz,
    received_at timestamptz,
    event       text,
    kind        text,
    body        text
);

-- Make the monthly partitions of history that these instants need. Months further away than 20 years back or one
-- year ahead stay in the default partition, so that nobody can make partitions without bound. Rows of the month that
-- the default partition holds are moved. Callable by a tenant role for its own schema only.
CREATE FUNCTION broker.ensure_history(p_months date[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    s text := current_setting('role');
    m date;
    part text;
BEGIN
    IF s !~ '^t_[0-9a-f]{16}$' THEN
        RAISE EXCEPTION 'ensure_history is for tenant roles, not for %', s USING ERRCODE = '42501';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('datapolis.ensure_history.' || s, 0));
    FOR m IN
        SELECT DISTINCT date_trunc('month', x)::date FROM unnest(p_months) AS x
        WHERE x BETWEEN now() - interval '20 years' AND now() + interval '1 year' ORDER BY 1
    LOOP
        part := 'history_' || to_char(m, 'YYYYMM');
        IF to_regclass(format('%I.%I', s, part)) IS NULL THEN
            EXECUTE format('CREATE TABLE %1$I.%2$I (LIKE %1$I.history INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', s, part);
            EXECUTE format(
                'WITH moved AS (DELETE FROM %1$I.history_default WHERE observed_at >= %3$L::timestamptz '
                'AND observed_at < %4$L::timestamptz RETURNING *) INSERT INTO %1$I.%2$I SELECT * FROM moved',
                s, part, m::text || ' 00:00:00+00', (m + interval '1 month')::date::text || ' 00:00:00+00');
            EXECUTE format(
                'ALTER TABLE %1$I.history ATTACH PARTITION %1$I.%2$I FOR VALUES FROM (%3$L) TO (%4$L)',
                s, part, m::text || ' 00:00:00+00', (m + interval '1 month')::date::text || ' 00:00:00+00');
        END IF;
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION broker.ensure_history(date[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION broker.ensure_history(date[]) TO datapolis_tenant;

SELECT broker.create_tenant('default');
SELECT broker.create_tenant('platform');
