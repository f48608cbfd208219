-- What queries look at, so that indexes can be made for it, and an index for scopes.

-- One row per tenant's schema, attribute and use: `value` for comparisons, `asc` and `desc` for orderings.
CREATE TABLE broker.observed_paths (
    schema     text COLLATE "C" NOT NULL,
    attr       text COLLATE "C" NOT NULL,
    kind       text COLLATE "C" NOT NULL CHECK (kind IN ('value', 'asc', 'desc')),
    seen       bigint NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (schema, attr, kind)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON broker.observed_paths TO datapolis_broker;

-- Every scope above and including an entity's own: what `/a/b/#` and `/a/b` are looked up in.
CREATE FUNCTION broker.scope_roots(p_scopes text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT array_agg(DISTINCT '/' || array_to_string(p.parts[1:n], '/'))
    FROM unnest(p_scopes) AS s(scope),
         LATERAL (SELECT string_to_array(ltrim(s.scope, '/'), '/') AS parts) AS p,
         LATERAL generate_series(1, array_length(p.parts, 1)) AS n
$$;

SELECT broker.add_tenant_ddl('scopes', $ddl$
CREATE INDEX entities_scopes ON {schema}.entities USING gin (broker.scope_roots(scopes)) WHERE scopes IS NOT NULL;
$ddl$);

-- What entities are ordered by (4.23.2), as functions: an index's expressions must be short. The value that an attribute
-- is ordered by, and of such a value the rank of its type, the number or boolean, and the text. p_null is the rank of a
-- JSON null. Strings count by their first 500 characters, which is what an index can hold of them.
CREATE FUNCTION broker.order_value(p_vals jsonb, p_names text[], p_segs text[], p_attr text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    v jsonb := p_vals -> p_attr;
BEGIN
    IF v = '[]'::jsonb THEN
        RETURN broker.sort_value(p_segs[array_position(p_names, p_attr)]);
    END IF;
    RETURN v;
END $$;

CREATE FUNCTION broker.order_rank(p_value jsonb, p_null integer) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    typed boolean := p_value -> '@value' IS NOT NULL;
    plain jsonb := COALESCE(p_value -> '@value', p_value);
BEGIN
    RETURN CASE jsonb_typeof(plain)
        WHEN 'number' THEN 0
        WHEN 'object' THEN 2
        WHEN 'array' THEN 3
        WHEN 'boolean' THEN 4
        WHEN 'null' THEN p_null
        WHEN 'string' THEN CASE
            WHEN NOT typed THEN 1
            WHEN plain #>> '{}' ~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.,][0-9]{1,6})?Z$' THEN 7
            WHEN plain #>> '{}' ~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$' THEN 6
            WHEN plain #>> '{}' ~ '^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.,][0-9]{1,6})?Z$' THEN 5
            ELSE 1 END
        END;
END $$;

CREATE FUNCTION broker.order_number(p_value jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    plain jsonb := COALESCE(p_value -> '@value', p_value);
BEGIN
    RETURN CASE WHEN jsonb_typeof(plain) IN ('number', 'boolean') THEN plain END;
END $$;

-- A typed time without its separators after the whole second, so that a longer fraction orders as it should.
CREATE FUNCTION broker.order_text(p_value jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    plain jsonb := COALESCE(p_value -> '@value', p_value);
    words text := CASE WHEN jsonb_typeof(plain) = 'string' THEN plain #>> '{}' END;
    whole integer;
BEGIN
    IF p_value -> '@value' IS NOT NULL THEN
        whole := CASE WHEN words ~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.,][0-9]{1,6})?Z$' THEN 19 WHEN words ~ '^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.,][0-9]{1,6})?Z$' THEN 8 END;
        IF whole IS NOT NULL THEN
            RETURN left(words, whole) || rpad(translate(substr(words, whole + 1), '.,Z', ''), 6, '0');
        END IF;
    END IF;
    RETURN left(words, 500);
END $$;
