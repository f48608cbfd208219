-- name: append
INSERT INTO history AS h (entity, attr, dataset_id, observed_at, received_at, event, kind, body)
SELECT r.entity, r.attr, r.dataset_id, r.observed_at, r.received_at, r.event, r.kind, r.body
FROM unnest($1::broker.history_row[]) AS r
ON CONFLICT (entity, attr, dataset_id, observed_at) DO UPDATE
SET received_at = excluded.received_at, event = excluded.event, kind = excluded.kind, body = excluded.body
WHERE (excluded.received_at, excluded.event) >= (h.received_at, h.event)

-- name: ensure
SELECT broker.ensure_history($1::date[])
