-- What ordering needs (CIM 009, 4.23): the value that an attribute is ordered by, and ICU collations by their tag.

-- The value of an attribute's segment, for those that `vals` has no scalar of: the default instance's if it has one, else
-- the first instance's. Immutable, so that an index can hold it.
CREATE FUNCTION broker.sort_value(p_segment text) RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT COALESCE(x.j -> 'value', x.j -> 'json', x.j -> 'vocab', x.j -> 'object', x.j -> 'valueList', x.j -> 'objectList',
                    x.j -> 'languageMap')
    FROM jsonb_path_query(p_segment::jsonb, '$[*]') WITH ORDINALITY x(j, n)
    ORDER BY x.j ? 'datasetId', x.n LIMIT 1
$$;

-- Give the name of the collation in the schema `broker` for an ICU locale (a BCP 47 tag in lower case, checked by the
-- caller), made if there is none yet; NULL if ICU does not know its language. At most 200 are made.
CREATE FUNCTION broker.icu_collation(p_tag text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    found text := 'icu:' || p_tag;
    base text := split_part(p_tag, '-u-', 1);
BEGIN
    IF p_tag !~ '^[a-z0-9]{2,8}(-[a-z0-9]{1,8}){0,15}$' OR length(found) > 63 THEN
        RAISE EXCEPTION 'no locale: %', left(p_tag, 80) USING ERRCODE = '22023';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i' AND lower(collname) = base || '-x-icu') THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('datapolis.icu_collation', 0));
    IF EXISTS (SELECT FROM pg_collation WHERE collname = found AND collnamespace = 'broker'::regnamespace) THEN
        RETURN found;
    END IF;
    IF (SELECT count(*) FROM pg_collation WHERE collnamespace = 'broker'::regnamespace) >= 200 THEN
        RAISE EXCEPTION 'too many collations' USING ERRCODE = '54000';
    END IF;
    EXECUTE format('CREATE COLLATION broker.%I (provider = icu, locale = %L)', found, p_tag);
    RETURN found;
END $$;
REVOKE ALL ON FUNCTION broker.icu_collation(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION broker.icu_collation(text) TO datapolis_broker, datapolis_tenant;
