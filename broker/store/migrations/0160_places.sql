-- Geometries of every instance of a GeoProperty (CIM 009 V1.9.1, 5.7.2.4): where an attribute has several, the column
-- holds the collection of theirs, that of the default instance first. So far it held the default instance's alone.

-- What a segment's geometry is, as the write engine works it out (broker.core.segments.geometry_of).
CREATE FUNCTION broker.places(p_segment text) RETURNS geometry
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, public AS $$
    WITH shapes AS (
        SELECT ST_Force2D(ST_SetSRID(ST_GeomFromGeoJSON(x.j ->> 'value'), 4326)) AS geom, x.j ? 'datasetId' AS other, x.n
        FROM jsonb_path_query(p_segment::jsonb, '$[*] ? (@.type == "GeoProperty")') WITH ORDINALITY AS x(j, n)
    ), valid AS (
        SELECT CASE WHEN ST_IsValid(geom) THEN geom
                    ELSE ST_MakeValid(geom, 'method=structure keepcollapsed=false') END AS geom, other, n
        FROM shapes
    )
    SELECT CASE WHEN count(*) = 1 THEN (array_agg(geom))[1]
                ELSE ST_ForceCollection(ST_Collect(geom ORDER BY other, n)) END
    FROM valid WHERE NOT ST_IsEmpty(geom)
$$;
REVOKE ALL ON FUNCTION broker.places(text) FROM PUBLIC;

SELECT broker.add_tenant_ddl('places', $ddl$
UPDATE {schema}.entities AS e
SET location = broker.places(s.seg)
FROM (
    SELECT id, segs[array_position(names, 'https://uri.etsi.org/ngsi-ld/location')] AS seg FROM {schema}.entities
) AS s
WHERE s.id = e.id AND s.seg LIKE '%"GeoProperty"%' AND s.seg LIKE '%"datasetId"%';

INSERT INTO {schema}.entity_geo (id, attr, geom)
SELECT e.id, x.name, broker.places(x.seg)
FROM {schema}.entities AS e, unnest(e.names, e.segs) AS x (name, seg)
WHERE x.name <> 'https://uri.etsi.org/ngsi-ld/location' AND x.seg LIKE '%"GeoProperty"%'
  AND x.seg LIKE '%"datasetId"%' AND broker.places(x.seg) IS NOT NULL
ON CONFLICT (id, attr) DO UPDATE SET geom = excluded.geom;
$ddl$);
