-- What the temporal evolution of entities (CIM 009 V1.9.1, 4.5.6) needs besides history itself.
--
-- history.created_at is set once an instance is replaced, to when it was first received; until then an instance was
-- created when it was received. num is the value of a Property that is a plain number, which aggregates need not parse
-- then; NULL says nothing. attr '@scope' of history is the evolution of an entity's scope. departed holds what is
-- to be known of entities that are gone: their evolution stays readable to those who may manage them.

SELECT broker.add_tenant_ddl('temporal', $ddl$
ALTER TABLE {schema}.history ADD COLUMN created_at timestamptz, ADD COLUMN num double precision;

CREATE TABLE {schema}.departed (
    id         text COLLATE "C" PRIMARY KEY,
    types      text[] COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz NOT NULL
);
$ddl$);

-- The number at the front of a Property's text, if that is how it starts; numbers with an exponent are left to parsing.
CREATE FUNCTION broker.plain_number(p_body text) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE WHEN p_body LIKE '{"type":"Property","value":%'
        AND translate(rtrim(split_part(substr(p_body, 28), ',', 1), '}'), '0123456789.-', '') = ''
    THEN rtrim(split_part(substr(p_body, 28), ',', 1), '}')::double precision END
$$;
GRANT EXECUTE ON FUNCTION broker.plain_number(text) TO datapolis_tenant;

-- Note how a scope came to be, changed or went. Every writer of entities is covered, whatever its way.
CREATE FUNCTION broker.note_scope() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    at timestamptz := CASE TG_OP WHEN 'DELETE' THEN clock_timestamp() ELSE NEW.modified_at END;
    body text;
BEGIN
    IF TG_OP <> 'DELETE' AND NEW.scopes IS NOT NULL THEN
        body := jsonb_build_object('type', 'Property', 'value', to_jsonb(NEW.scopes), 'observedAt',
            rtrim(rtrim(to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || 'Z')::text;
    END IF;
    EXECUTE format(
        'INSERT INTO %I.history AS h (entity, attr, dataset_id, observed_at, received_at, event, kind, body) '
        'VALUES ($1, ''@scope'', '''', $2, $2, '''', $3, $4) '
        'ON CONFLICT (entity, attr, dataset_id, observed_at) DO UPDATE '
        'SET kind = excluded.kind, body = excluded.body, received_at = excluded.received_at', TG_TABLE_SCHEMA)
    USING CASE TG_OP WHEN 'DELETE' THEN OLD.id ELSE NEW.id END, at,
          CASE WHEN body IS NULL THEN 'deleted' ELSE 'value' END, body;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION broker.note_scope() FROM PUBLIC;

CREATE FUNCTION broker.note_departed() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    EXECUTE format(
        'INSERT INTO %I.departed AS d (id, types, created_at, deleted_at) '
        'SELECT id, types, created_at, clock_timestamp() FROM gone '
        'ON CONFLICT (id) DO UPDATE SET types = excluded.types, created_at = excluded.created_at, '
        'deleted_at = excluded.deleted_at', TG_TABLE_SCHEMA);
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION broker.note_departed() FROM PUBLIC;

SELECT broker.add_tenant_ddl('temporal triggers', $ddl$
CREATE TRIGGER entities_scope_made AFTER INSERT ON {schema}.entities
    FOR EACH ROW WHEN (NEW.scopes IS NOT NULL) EXECUTE FUNCTION broker.note_scope();
CREATE TRIGGER entities_scope_changed AFTER UPDATE ON {schema}.entities
    FOR EACH ROW WHEN (OLD.scopes IS DISTINCT FROM NEW.scopes) EXECUTE FUNCTION broker.note_scope();
CREATE TRIGGER entities_scope_gone AFTER DELETE ON {schema}.entities
    FOR EACH ROW WHEN (OLD.scopes IS NOT NULL) EXECUTE FUNCTION broker.note_scope();
CREATE TRIGGER entities_departed AFTER DELETE ON {schema}.entities
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION broker.note_departed();
$ddl$);
