-- name: lock
SELECT pg_try_advisory_xact_lock(hashtextextended('datapolis.expire.' || $1, 0))

-- name: due
SELECT id, expires_at FROM entities WHERE expires_at <= $1 ORDER BY id LIMIT $2
