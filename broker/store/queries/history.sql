-- name: append
INSERT INTO history AS h (entity, attr, dataset_id, observed_at, received_at, event, kind, body)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[],
                     $8::text[])
ON CONFLICT (entity, attr, dataset_id, observed_at) DO UPDATE
SET received_at = excluded.received_at, event = excluded.event, kind = excluded.kind, body = excluded.body
WHERE (excluded.received_at, excluded.event) >= (h.received_at, h.event)

-- name: ensure
SELECT broker.ensure_history($1::date[])
