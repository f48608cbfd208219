-- name: claim
INSERT INTO broker.ingest_offsets AS o (consumer, topic, partition, next, generation, owner)
VALUES ($1, $2, $3, 0, 1, $4)
ON CONFLICT (consumer, topic, partition)
DO UPDATE SET generation = o.generation + 1, owner = excluded.owner, at = now()
RETURNING next, generation

-- name: advance
UPDATE broker.ingest_offsets AS o SET next = n.next, at = now()
FROM unnest($3::text[], $4::integer[], $5::bigint[], $6::bigint[], $7::bigint[])
    AS n (topic, partition, expected, next, generation)
WHERE o.consumer = $1 AND o.owner = $2 AND o.topic = n.topic AND o.partition = n.partition
    AND o.next = n.expected AND o.generation <= n.generation

-- name: owns
SELECT count(*) FROM broker.ingest_offsets AS o
JOIN unnest($3::text[], $4::integer[], $5::bigint[]) AS n (topic, partition, generation)
    ON o.topic = n.topic AND o.partition = n.partition AND o.generation <= n.generation
WHERE o.consumer = $1 AND o.owner = $2

-- name: hold
SELECT FROM broker.ingest_offsets AS o
JOIN unnest($3::text[], $4::integer[], $5::bigint[]) AS n (topic, partition, generation)
    ON o.topic = n.topic AND o.partition = n.partition AND o.generation <= n.generation
WHERE o.consumer = $1 AND o.owner = $2 ORDER BY o.topic, o.partition FOR SHARE OF o

-- name: positions
SELECT topic, partition, next, generation, owner FROM broker.ingest_offsets WHERE consumer = $1 ORDER BY topic, partition
