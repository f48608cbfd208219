-- name: note
INSERT INTO entity_transient (id, at) SELECT * FROM unnest($1::text[], $2::timestamptz[])
ON CONFLICT (id) DO UPDATE SET at = excluded.at

-- name: forget
DELETE FROM entity_transient WHERE id = ANY($1::text[])
