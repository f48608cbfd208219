-- name: tenants
SELECT t.tenant FROM broker.tenants AS t
WHERE EXISTS (SELECT FROM broker.outbox AS o WHERE o.tenant = t.tenant) ORDER BY t.tenant

-- name: lock
SELECT pg_try_advisory_xact_lock(hashtextextended('datapolis.relay.' || $1, 0))

-- name: claim
SELECT id, entity, payload FROM broker.outbox WHERE tenant = $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED

-- name: delete
DELETE FROM broker.outbox WHERE id = ANY($1::bigint[])

-- name: pending
SELECT DISTINCT o.entity FROM broker.outbox AS o WHERE o.tenant = $1 AND o.entity = ANY($2::text[])

-- name: depth
SELECT (SELECT count(*) FROM broker.outbox) AS changes, (SELECT count(*) FROM broker.owed) AS owed

-- name: owe
INSERT INTO broker.owed (topic, key, value) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])

-- name: owed_topics
SELECT DISTINCT topic FROM broker.owed ORDER BY topic

-- name: claim_owed
SELECT id, topic, key, value FROM broker.owed WHERE topic = $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED

-- name: delete_owed
DELETE FROM broker.owed WHERE id = ANY($1::bigint[])
