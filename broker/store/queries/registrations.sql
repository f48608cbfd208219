-- name: insert
INSERT INTO registrations (
    id, doc, party, mode, created_at, modified_at, expires_at, names, segs, vals, scopes, location, observation_space,
    operation_space, observed_from, observed_to, managed_from, managed_to
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::jsonb, $11, ST_GeomFromEWKB($12), ST_GeomFromEWKB($13),
    ST_GeomFromEWKB($14), $15, $16, $17, $18)
ON CONFLICT (id) DO NOTHING RETURNING id

-- name: insert_info
INSERT INTO registration_info (registration, types, entity, pattern, attrs)
SELECT $1, ARRAY(SELECT jsonb_array_elements_text(i.types)), i.entity, i.pattern,
       ARRAY(SELECT jsonb_array_elements_text(i.attrs))
FROM jsonb_to_recordset($2::text::jsonb) AS i (types jsonb, entity text, pattern text, attrs jsonb)

-- name: one
SELECT id, doc, party, created_at, modified_at, expires_at FROM registrations
WHERE id = $1 AND (expires_at IS NULL OR expires_at > $2)

-- name: lock
SELECT id, doc, party, created_at, modified_at, expires_at FROM registrations WHERE id = $1 FOR UPDATE

-- name: page
SELECT id, doc, party, created_at, modified_at, expires_at FROM registrations
WHERE party = $1 AND (expires_at IS NULL OR expires_at > $4) ORDER BY id LIMIT $2 OFFSET $3

-- name: every
SELECT id, doc, party, created_at, modified_at, expires_at FROM registrations
WHERE expires_at IS NULL OR expires_at > $1 ORDER BY id

-- name: count
SELECT count(*) FROM registrations WHERE party = $1

-- name: due
SELECT id FROM registrations WHERE expires_at <= $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED

-- name: delete
DELETE FROM registrations WHERE id = $1 RETURNING id, doc, party, created_at, modified_at, expires_at

-- name: overlapping
SELECT DISTINCT r.id, r.doc, r.party, r.created_at, r.modified_at, r.expires_at
FROM registrations AS r JOIN registration_info AS i ON i.registration = r.id
     JOIN jsonb_to_recordset($1::text::jsonb) AS j (types jsonb, entity text, pattern text, attrs jsonb) ON TRUE
     CROSS JOIN LATERAL (
         SELECT ARRAY(SELECT jsonb_array_elements_text(j.types)) AS types,
                ARRAY(SELECT jsonb_array_elements_text(j.attrs)) AS attrs
     ) AS n
WHERE r.mode = ANY($2::text[]) AND r.id <> $3::text AND (r.expires_at IS NULL OR r.expires_at > $4::timestamptz)
  AND (i.attrs && n.attrs OR i.attrs = '{""}' OR n.attrs = '{""}')
  AND (i.types && n.types OR i.types = '{""}' OR n.types = '{""}' OR i.entity = j.entity)
  AND (i.entity IS NULL OR i.entity = j.entity
       OR (j.entity IS NULL AND (j.pattern IS NULL OR i.entity COLLATE "C" ~ j.pattern)))
  AND (j.entity IS NULL OR i.entity IS NOT NULL OR i.pattern IS NULL OR j.entity COLLATE "C" ~ i.pattern)
ORDER BY r.id LIMIT 100

-- name: guard
SELECT pg_advisory_xact_lock(hashtextextended('datapolis.registrations.' || $1, 0))

-- name: revision
SELECT revision FROM broker.registration_revision WHERE schema = $1

-- name: changed
INSERT INTO broker.registration_changes (tenant, registration, was, now, at) VALUES ($1, $2, $3, $4, $5)

-- name: claim
SELECT seq, tenant, registration, was, now, at FROM broker.registration_changes
ORDER BY seq LIMIT $1 FOR UPDATE SKIP LOCKED

-- name: settle
DELETE FROM broker.registration_changes WHERE seq = ANY($1::bigint[])

-- name: purge
DELETE FROM broker.registration_changes WHERE at < $1
