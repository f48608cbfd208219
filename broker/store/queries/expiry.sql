-- name: lock
SELECT pg_try_advisory_xact_lock(hashtextextended('datapolis.expire.' || $1, 0))

-- name: due
SELECT id, expires_at FROM entities WHERE expires_at <= $1 ORDER BY id LIMIT $2

-- name: due_attributes
SELECT t.id FROM entity_transient AS t
WHERE t.at <= $1 AND NOT EXISTS (SELECT FROM entities AS e WHERE e.id = t.id AND e.expires_at <= $1)
ORDER BY t.id LIMIT $2
