-- name: insert
INSERT INTO csource_subscriptions (id, doc, party, sub, tier, roles, purpose, created_at, modified_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9) ON CONFLICT (id) DO NOTHING RETURNING id

-- name: one
SELECT id, doc, party, sub, tier, roles, purpose, created_at, modified_at, expires_at
FROM csource_subscriptions WHERE id = $1

-- name: lock
SELECT id, doc, party, sub, tier, roles, purpose, created_at, modified_at, expires_at
FROM csource_subscriptions WHERE id = $1 FOR UPDATE

-- name: page
SELECT id, doc, party, sub, tier, roles, purpose, created_at, modified_at, expires_at
FROM csource_subscriptions WHERE party = $1 ORDER BY id LIMIT $2 OFFSET $3

-- name: every
SELECT id, doc, party, sub, tier, roles, purpose, created_at, modified_at, expires_at, revision, told, next_at
FROM csource_subscriptions ORDER BY id

-- name: count
SELECT count(*) FROM csource_subscriptions WHERE party = $1

-- name: update
UPDATE csource_subscriptions SET doc = $2, modified_at = $3, expires_at = $4, revision = revision + 1, next_at = NULL
WHERE id = $1

-- name: delete
DELETE FROM csource_subscriptions WHERE id = $1

-- name: tell
UPDATE csource_subscriptions SET told = $2, next_at = $3
WHERE id = $1 AND revision = $2 AND told = $4 AND next_at IS NOT DISTINCT FROM $5

-- name: numbers
SELECT nextval('broker.csource_notification') FROM generate_series(1, $1)

-- name: lead
SELECT pg_try_advisory_lock(hashtextextended('datapolis.csource_notifier', 0))

-- name: resign
SELECT pg_advisory_unlock(hashtextextended('datapolis.csource_notifier', 0))
