-- name: load
SELECT body, fetched_at, kind = 'Cached' AND expires_at <= now() FROM broker.contexts
WHERE url = $1 AND (kind = 'Cached' OR expires_at IS NULL OR expires_at > now())

-- name: store
INSERT INTO broker.contexts (url, body, expires_at) VALUES ($1, $2, now() + make_interval(secs => $3))
ON CONFLICT (url) DO UPDATE SET body = excluded.body, fetched_at = now(), expires_at = excluded.expires_at
RETURNING fetched_at

-- name: changed
SELECT k.url FROM unnest($1::text[], $2::timestamptz[]) AS k (url, fetched_at)
WHERE NOT EXISTS (SELECT FROM broker.contexts AS c WHERE c.url = k.url AND c.fetched_at = k.fetched_at
                  AND (c.expires_at IS NULL OR c.expires_at > now()))

-- name: use
UPDATE broker.contexts AS c SET hits = c.hits + u.hits, last_used = now()
FROM unnest($1::text[], $2::bigint[]) AS u (url, hits) WHERE c.url = u.url

-- name: sweep
DELETE FROM broker.contexts WHERE kind = 'ImplicitlyCreated' AND expires_at <= now()

-- name: host
INSERT INTO broker.contexts (url, body, local_id, kind, tenant, party, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
ON CONFLICT (url) DO UPDATE
SET expires_at = CASE WHEN contexts.expires_at IS NOT NULL THEN greatest(contexts.expires_at, excluded.expires_at) END
WHERE contexts.kind = 'ImplicitlyCreated'

-- name: keep
UPDATE broker.contexts SET expires_at = NULL WHERE url = $1 AND kind = 'ImplicitlyCreated'

-- name: count
SELECT count(*) FROM broker.contexts WHERE tenant = $1 AND kind = $2

-- name: list
SELECT url, local_id, kind, party, created_at, expires_at, last_used, hits FROM broker.contexts
WHERE kind = ANY($2::text[]) AND (tenant IS NULL OR tenant = $1)
      AND (kind = 'Cached' OR expires_at IS NULL OR expires_at > now())
ORDER BY created_at, local_id

-- name: one
SELECT url, local_id, kind, party, created_at, expires_at, last_used, hits, body FROM broker.contexts
WHERE (local_id = $2 OR url = $2) AND (tenant IS NULL OR tenant = $1)
      AND (kind = 'Cached' OR expires_at IS NULL OR expires_at > now())

-- name: remove
DELETE FROM broker.contexts WHERE url = $1
