-- name: by_id
SELECT id, types, scopes, names, segs, meta, created_at, modified_at, expires_at FROM entities
WHERE id = ANY($1::text[]) AND (expires_at IS NULL OR expires_at > now())

-- name: by_id_short
SELECT id, types, scopes, names, segs FROM entities
WHERE id = ANY($1::text[]) AND (expires_at IS NULL OR expires_at > now())
