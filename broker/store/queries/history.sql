-- name: append
INSERT INTO history AS h (entity, attr, dataset_id, observed_at, received_at, event, kind, body)
SELECT r.entity, r.attr, r.dataset_id, r.observed_at, r.received_at, r.event, r.kind, r.body
FROM (SELECT g.entity, coalesce(i.attr, '') AS attr, coalesce(i.dataset_id, '') AS dataset_id,
             g.observed_at::timestamptz, g.received_at::timestamptz, coalesce(g.event, '') AS event, g.kind,
             nullif(i.body, '-') AS body
      FROM unnest(string_to_array($1::text, E'\x1e'), string_to_array($2::text, E'\x1e'),
                  string_to_array($3::text, E'\x1e'), string_to_array($4::text, E'\x1e'),
                  string_to_array($5::text, E'\x1e'), string_to_array($6::text, E'\x1e'),
                  string_to_array($7::text, E'\x1e'), string_to_array($8::text, E'\x1e'))
           AS g (entity, observed_at, received_at, event, kind, attrs, dataset_ids, bodies),
           unnest(string_to_array(g.attrs, E'\x1f'), string_to_array(g.dataset_ids, E'\x1f'),
                  string_to_array(g.bodies, E'\x1f')) AS i (attr, dataset_id, body)) AS r
ON CONFLICT (entity, attr, dataset_id, observed_at) DO UPDATE
SET received_at = excluded.received_at, event = excluded.event, kind = excluded.kind, body = excluded.body,
    created_at = CASE WHEN excluded.received_at > h.received_at THEN coalesce(h.created_at, h.received_at)
                      ELSE h.created_at END
WHERE (excluded.received_at, excluded.event) >= (h.received_at, h.event)

-- name: ensure
SELECT broker.try_history($1::date[])

-- name: waiting
SELECT DISTINCT date_trunc('month', observed_at AT TIME ZONE 'UTC')::date AS month FROM history_default
WHERE observed_at BETWEEN now() - interval '20 years' AND now() + interval '1 year'

-- name: make
SELECT broker.ensure_history($1::date[])
