-- name: load
SELECT body FROM broker.contexts WHERE url = $1

-- name: store
INSERT INTO broker.contexts (url, body) VALUES ($1, $2)
ON CONFLICT (url) DO UPDATE SET body = excluded.body, fetched_at = now()
