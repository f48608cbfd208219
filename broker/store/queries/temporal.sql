-- name: known
SELECT EXISTS (SELECT FROM history WHERE entity = $1 AND attr <> '')

-- name: attributes
SELECT attr, array_agg(DISTINCT dataset_id) FROM history WHERE entity = $1 AND attr <> '' GROUP BY attr

-- name: forget_entity
DELETE FROM history WHERE entity = $1

-- name: forget_departed
DELETE FROM departed WHERE id = $1

-- name: forget_floor
UPDATE tombstones SET floor = ARRAY['', '', ''] WHERE id = $1

-- name: forget_attribute
WITH gone AS (
    DELETE FROM history WHERE entity = $1 AND attr = $2 AND ($3::text IS NULL OR dataset_id = $3) RETURNING 1)
SELECT count(*) FROM gone

-- name: forget_instance
WITH gone AS (DELETE FROM history WHERE entity = $1 AND attr = $2 AND instance_id = $3::uuid RETURNING 1)
SELECT count(*) FROM gone

-- name: instance
SELECT observed_at, dataset_id FROM history WHERE entity = $1 AND attr = $2 AND instance_id = $3::uuid FOR UPDATE

-- name: taken
SELECT EXISTS (SELECT FROM history WHERE entity = $1 AND attr = $2 AND dataset_id = $4 AND observed_at = $5
               AND instance_id <> $3::uuid)

-- name: replace_instance
UPDATE history SET dataset_id = $4, observed_at = $5, received_at = $6, kind = $7, body = $8,
    created_at = coalesce(created_at, received_at)
WHERE entity = $1 AND attr = $2 AND instance_id = $3::uuid

-- name: departed
SELECT types FROM departed WHERE id = $1
