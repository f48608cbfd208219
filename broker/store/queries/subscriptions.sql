-- name: insert
INSERT INTO subscriptions (id, doc, party, sub, tier, roles, purpose, created_at, modified_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9) ON CONFLICT (id) DO NOTHING RETURNING id

-- name: one
SELECT id, doc, party, sub, tier, roles, purpose, created_at, modified_at, expires_at FROM subscriptions WHERE id = $1

-- name: lock
SELECT id, doc, party, sub, tier, roles, purpose, created_at, modified_at, expires_at FROM subscriptions
WHERE id = $1 FOR UPDATE

-- name: page
SELECT id, doc, party, sub, tier, roles, purpose, created_at, modified_at, expires_at FROM subscriptions
WHERE party = $1 ORDER BY id LIMIT $2 OFFSET $3

-- name: every
SELECT id, doc, party, sub, tier, roles, purpose, created_at, modified_at, expires_at FROM subscriptions ORDER BY id

-- name: count
SELECT count(*) FROM subscriptions WHERE party = $1

-- name: update
UPDATE subscriptions SET doc = $2, modified_at = $3, expires_at = $4 WHERE id = $1

-- name: delete
DELETE FROM subscriptions WHERE id = $1

-- name: current
SELECT id, types, scopes, names, segs, version FROM entities WHERE id = ANY($1::text[])
