-- name: lock
SELECT id, array_to_string(types, E'\x1f'), scopes, array_to_string(names, E'\x1f'),
       array_to_string(segs, E'\x1f'), vals, meta, created_at, modified_at, version, expires_at
FROM entities WHERE id = ANY(string_to_array($1::text, E'\x1e')) ORDER BY id FOR UPDATE

-- name: tombstones
SELECT id, floor, version FROM tombstones WHERE id = ANY(string_to_array($1::text, E'\x1e'))

-- name: insert
INSERT INTO entities (id, types, scopes, names, segs, vals, location, meta, created_at, modified_at, expires_at,
                      version)
SELECT r.id, string_to_array(r.types, E'\x1f'), r.scopes::text[], string_to_array(coalesce(r.names, ''), E'\x1f'),
       string_to_array(coalesce(r.segs, ''), E'\x1f'), r.vals::jsonb, r.location::geometry, r.meta::jsonb,
       r.created_at::timestamptz, r.modified_at::timestamptz, r.expires_at::timestamptz, r.version::bigint
FROM unnest(string_to_array($1::text, E'\x1e'), string_to_array($2::text, E'\x1e'),
            string_to_array($3::text, E'\x1e', E'\x1d'), string_to_array($4::text, E'\x1e'),
            string_to_array($5::text, E'\x1e'), string_to_array($6::text, E'\x1e'),
            string_to_array($7::text, E'\x1e', E'\x1d'), string_to_array($8::text, E'\x1e'),
            string_to_array($9::text, E'\x1e'), string_to_array($10::text, E'\x1e'),
            string_to_array($11::text, E'\x1e', E'\x1d'), string_to_array($12::text, E'\x1e'))
     AS r (id, types, scopes, names, segs, vals, location, meta, created_at, modified_at, expires_at, version)
ON CONFLICT (id) DO NOTHING RETURNING id

-- name: exhume
DELETE FROM tombstones WHERE id = ANY(string_to_array($1::text, E'\x1e')) RETURNING id, floor, version

-- name: update
UPDATE entities AS e
SET types = string_to_array(r.types, E'\x1f'), scopes = r.scopes::text[],
    names = string_to_array(coalesce(r.names, ''), E'\x1f'), segs = string_to_array(coalesce(r.segs, ''), E'\x1f'),
    vals = r.vals::jsonb, meta = r.meta::jsonb,
    location = CASE WHEN r.moved = '1' THEN r.location::geometry ELSE e.location END,
    created_at = r.created_at::timestamptz, modified_at = r.modified_at::timestamptz,
    expires_at = r.expires_at::timestamptz, version = r.version::bigint
FROM unnest(string_to_array($1::text, E'\x1e'), string_to_array($2::text, E'\x1e'),
            string_to_array($3::text, E'\x1e', E'\x1d'), string_to_array($4::text, E'\x1e'),
            string_to_array($5::text, E'\x1e'), string_to_array($6::text, E'\x1e'),
            string_to_array($7::text, E'\x1e', E'\x1d'), string_to_array($8::text, E'\x1e'),
            string_to_array($9::text, E'\x1e'), string_to_array($10::text, E'\x1e'),
            string_to_array($11::text, E'\x1e', E'\x1d'), string_to_array($12::text, E'\x1e'),
            string_to_array($13::text, E'\x1e'))
     AS r (id, types, scopes, names, segs, vals, location, meta, created_at, modified_at, expires_at, version, moved)
WHERE e.id = r.id

-- name: remove
WITH gone AS (DELETE FROM entities WHERE id = ANY($1::text[]) RETURNING id, types, created_at),
     geo AS (DELETE FROM entity_geo WHERE id = ANY($1::text[])),
     transient AS (DELETE FROM entity_transient WHERE id = ANY($1::text[])),
     past AS (
         INSERT INTO departed AS d (id, types, created_at, deleted_at)
         SELECT id, types, created_at, $2 FROM gone WHERE $2::timestamptz IS NOT NULL
         ON CONFLICT (id) DO UPDATE
         SET types = excluded.types, created_at = excluded.created_at, deleted_at = excluded.deleted_at)
DELETE FROM entity_type AS t USING (SELECT id, unnest(types) AS type FROM gone) AS g
WHERE t.type = g.type AND t.id = g.id

-- name: bury
INSERT INTO tombstones AS t (id, floor, version) VALUES ($1, $2::text[], $3)
ON CONFLICT (id) DO UPDATE SET floor = excluded.floor, version = excluded.version, at = now()
WHERE (excluded.floor, excluded.version) >= (t.floor, t.version)

-- name: drop_types
DELETE FROM entity_type AS t USING unnest($1::text[], $2::text[]) AS d (type, id)
WHERE t.type = d.type AND t.id = d.id

-- name: add_geometries
INSERT INTO entity_geo (id, attr, geom)
SELECT x.id, x.attr, ST_GeomFromEWKB(x.geom) FROM unnest($1::text[], $2::text[], $3::bytea[]) AS x (id, attr, geom)
ON CONFLICT (id, attr) DO UPDATE SET geom = excluded.geom

-- name: drop_geometries
DELETE FROM entity_geo AS g USING unnest($1::text[], $2::text[]) AS d (id, attr)
WHERE g.id = d.id AND g.attr = d.attr

-- name: tell
WITH typed AS (
    INSERT INTO entity_type (type, id)
    SELECT x.type, x.id FROM unnest(string_to_array($2::text, E'\x1e'), string_to_array($3::text, E'\x1e')) AS x (type, id)
    ON CONFLICT DO NOTHING)
INSERT INTO broker.outbox (tenant, entity, payload)
SELECT $1::text, x.entity, x.payload
FROM unnest(string_to_array($4::text, E'\x1e'), string_to_array($5::text, E'\x1e')) AS x (entity, payload)

-- name: settle
WITH gone AS (
    DELETE FROM tombstones WHERE id = ANY(string_to_array($6::text, E'\x1e')) RETURNING id, floor, version
), typed AS (
    INSERT INTO entity_type (type, id)
    SELECT x.type, x.id FROM unnest(string_to_array($2::text, E'\x1e'), string_to_array($3::text, E'\x1e')) AS x (type, id)
    WHERE x.id NOT IN (SELECT id FROM gone)
    ON CONFLICT DO NOTHING
), told AS (
    INSERT INTO broker.outbox (tenant, entity, payload)
    SELECT $1::text, x.entity, x.payload
    FROM unnest(string_to_array($4::text, E'\x1e'), string_to_array($5::text, E'\x1e')) AS x (entity, payload)
    WHERE x.entity NOT IN (SELECT id FROM gone))
SELECT id, floor, version FROM gone
