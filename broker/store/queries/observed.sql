-- name: count
INSERT INTO broker.observed_paths AS o (schema, attr, kind, seen)
SELECT x.schema, x.attr, x.kind, x.seen
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS x (schema, attr, kind, seen)
WHERE EXISTS (SELECT FROM broker.observed_paths k WHERE (k.schema, k.attr, k.kind) = (x.schema, x.attr, x.kind))
   OR (SELECT count(*) FROM broker.observed_paths k WHERE k.schema = x.schema) < $5::bigint
ON CONFLICT (schema, attr, kind) DO UPDATE SET seen = o.seen + excluded.seen, last_seen = now()

-- name: wanted
SELECT o.attr, o.kind FROM broker.observed_paths o
WHERE o.schema = $1 AND o.seen >= $2 AND o.last_seen > now() - $3::interval
ORDER BY o.seen DESC, o.attr, o.kind LIMIT $4

-- name: made
SELECT t.tenant, n.nspname AS schema, i.relname AS name, obj_description(i.oid, 'pg_class') AS about, x.indisvalid AS valid,
       pg_relation_size(i.oid) AS bytes, COALESCE(s.idx_scan, 0) AS scans
FROM broker.tenants t
JOIN pg_namespace n ON n.nspname = t.schema
JOIN pg_class i ON i.relnamespace = n.oid AND i.relkind = 'i' AND i.relname LIKE 'observed\_%'
JOIN pg_index x ON x.indexrelid = i.oid
LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = i.oid
ORDER BY t.tenant, i.relname

-- name: asked
SELECT EXISTS (SELECT FROM broker.observed_paths
               WHERE schema = $1 AND attr = $2 AND kind = $3 AND last_seen > now() - $4::interval)

-- name: forget
DELETE FROM broker.observed_paths WHERE schema = $1 AND attr = $2 AND kind = $3
