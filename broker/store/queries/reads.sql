-- name: by_id
SELECT id, types, scopes, names, segs, meta, created_at, modified_at, expires_at FROM entities
WHERE id = ANY($1::text[]) AND (expires_at IS NULL OR expires_at > now())

-- name: by_id_joined
SELECT id, array_to_string(types, E'\x1f'), scopes, array_to_string(names, E'\x1f'), array_to_string(segs, E'\x1f')
FROM entities
WHERE id = ANY(string_to_array($1, E'\x1f')) AND (expires_at IS NULL OR expires_at > now())
