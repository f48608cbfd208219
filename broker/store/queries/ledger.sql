-- name: revisions
SELECT t.tenant, t.schema, coalesce(r.revision, 0) AS revision
FROM broker.tenants AS t LEFT JOIN broker.subscription_revision AS r ON r.schema = t.schema

-- name: keep_state
INSERT INTO broker.ledger_state (tenant, entity, version, at, partition, before, after)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::integer[], $6::text[], $7::text[])
ON CONFLICT (tenant, entity, version) DO NOTHING

-- name: owe
WITH fresh AS (
    INSERT INTO broker.ledger (tenant, subscription, entity, version, partition)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::integer[])
    ON CONFLICT (tenant, subscription, entity, version) DO NOTHING
    RETURNING id, name, tenant, subscription, entity, version
), sums AS (
    INSERT INTO broker.ledger_totals AS t (tenant, subscription, due)
    SELECT tenant, subscription, count(*) FROM fresh GROUP BY tenant, subscription ORDER BY tenant, subscription
    ON CONFLICT (tenant, subscription) DO UPDATE SET due = t.due + excluded.due
)
SELECT id, name::text, tenant, subscription, entity, version FROM fresh ORDER BY id

-- name: waiting
SELECT id, name::text, tenant, subscription, entity, version, tries, due_at, coalesce(retry_at, due_at) AS retry_at
FROM broker.ledger WHERE status = 'waiting' AND partition = ANY($1::integer[]) AND id > $2 ORDER BY id LIMIT $3

-- name: waiting_of
SELECT id, name::text, tenant, subscription, entity, version, tries, due_at, coalesce(retry_at, due_at) AS retry_at
FROM broker.ledger
WHERE status = 'waiting' AND tenant = $1 AND subscription = $2 AND partition = ANY($3::integer[]) AND id > $4
ORDER BY id LIMIT $5

-- name: overdue
SELECT id, name::text, tenant, subscription, entity, version, tries, due_at, coalesce(retry_at, due_at) AS retry_at
FROM broker.ledger WHERE status = 'waiting' AND partition = ANY($1::integer[]) AND due_at < $2 ORDER BY id LIMIT $3

-- name: states
SELECT s.tenant, s.entity, s.version, s.at, s.before, s.after FROM broker.ledger_state AS s
JOIN unnest($1::text[], $2::text[], $3::bigint[]) AS n (tenant, entity, version)
    ON s.tenant = n.tenant AND s.entity = n.entity AND s.version = n.version

-- name: settle
WITH outcome AS (
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::boolean[], $4::integer[], $5::timestamptz[], $6::text[], $7::timestamptz[])
        AS o (id, status, sent, tries, retry_at, error, at)
), changed AS (
    UPDATE broker.ledger AS l SET status = o.status, tries = o.tries, retry_at = o.retry_at, error = o.error,
        settled_at = CASE WHEN o.status <> 'waiting' THEN o.at END
    FROM outcome AS o WHERE l.id = o.id AND l.status = 'waiting'
    RETURNING l.tenant, l.subscription, l.entity, l.version, o.status, o.sent, o.at
), sums AS (
    UPDATE broker.ledger_totals AS t SET
        delivered = t.delivered + s.delivered, dead = t.dead + s.dead, sent = t.sent + s.sent,
        failed = t.failed + s.failed,
        last_notification = greatest(t.last_notification, s.last_notification),
        last_success = greatest(t.last_success, s.last_success),
        last_failure = greatest(t.last_failure, s.last_failure)
    FROM (
        SELECT tenant, subscription,
            count(*) FILTER (WHERE status = 'delivered') AS delivered,
            count(*) FILTER (WHERE status = 'dead') AS dead,
            count(*) FILTER (WHERE sent) AS sent,
            count(*) FILTER (WHERE sent AND status <> 'delivered') AS failed,
            max(at) FILTER (WHERE sent) AS last_notification,
            max(at) FILTER (WHERE status = 'delivered') AS last_success,
            max(at) FILTER (WHERE sent AND status <> 'delivered') AS last_failure
        FROM changed GROUP BY tenant, subscription
    ) AS s
    WHERE t.tenant = s.tenant AND t.subscription = s.subscription
)
SELECT DISTINCT tenant, entity, version FROM changed WHERE status <> 'waiting'

-- name: follow
WITH fresh AS (
    INSERT INTO broker.ledger (tenant, subscription, entity, version, partition)
    SELECT l.tenant, l.subscription, n.entity, l.version, l.partition
    FROM unnest($1::bigint[], $2::text[]) AS n (id, entity)
    JOIN broker.ledger AS l ON l.id = n.id AND l.status = 'waiting'
    ON CONFLICT (tenant, subscription, entity, version) DO NOTHING
    RETURNING id, name, tenant, subscription, entity, version
), sums AS (
    UPDATE broker.ledger_totals AS t SET due = t.due + f.due
    FROM (SELECT tenant, subscription, count(*) AS due FROM fresh GROUP BY tenant, subscription) AS f
    WHERE t.tenant = f.tenant AND t.subscription = f.subscription
)
SELECT id, name::text, tenant, subscription, entity, version FROM fresh ORDER BY id

-- name: lock_totals
SELECT FROM broker.ledger_totals AS t
JOIN (SELECT DISTINCT * FROM unnest($1::text[], $2::text[]) AS u (tenant, subscription)) AS n
    ON t.tenant = n.tenant AND t.subscription = n.subscription
ORDER BY t.tenant, t.subscription FOR UPDATE OF t

-- name: forget_states
DELETE FROM broker.ledger_state AS s USING unnest($1::text[], $2::text[], $3::bigint[]) AS n (tenant, entity, version)
WHERE s.tenant = n.tenant AND s.entity = n.entity AND s.version = n.version
    AND NOT EXISTS (
        SELECT FROM broker.ledger AS l
        WHERE l.tenant = s.tenant AND l.entity = s.entity AND l.version = s.version AND l.status = 'waiting'
    )

-- name: forget_pending
DELETE FROM broker.pending AS p USING broker.ledger AS l
WHERE l.id = ANY($1::bigint[]) AND l.version < 0 AND l.status <> 'waiting'
    AND p.tenant = l.tenant AND p.subscription = l.subscription AND p.version = l.version
    AND NOT EXISTS (
        SELECT FROM broker.ledger AS w
        WHERE w.tenant = p.tenant AND w.subscription = p.subscription AND w.version = p.version AND w.status = 'waiting'
    )

-- name: totals
SELECT t.*, (
        SELECT count(*) FROM broker.ledger AS l
        WHERE l.tenant = t.tenant AND l.subscription = t.subscription AND l.status = 'waiting'
    ) AS waiting
FROM broker.ledger_totals AS t WHERE t.tenant = $1 AND t.subscription = ANY($2::text[])

-- name: since_failure
SELECT extract(epoch FROM now() - last_failure)::double precision FROM broker.ledger_totals
WHERE tenant = $1 AND subscription = $2

-- name: balance
SELECT coalesce(sum(due), 0)::bigint AS due, coalesce(sum(delivered), 0)::bigint AS delivered,
    coalesce(sum(dead), 0)::bigint AS dead,
    (SELECT count(*) FROM broker.ledger WHERE status = 'waiting') AS waiting
FROM broker.ledger_totals

-- name: purge
DELETE FROM broker.ledger WHERE id IN (
    SELECT id FROM broker.ledger WHERE status <> 'waiting' AND settled_at < $1 ORDER BY settled_at LIMIT $2
)

-- name: purge_beats
DELETE FROM broker.ledger WHERE id IN (
    SELECT id FROM broker.ledger WHERE status <> 'waiting' AND version < 0 AND settled_at < $1
    ORDER BY settled_at LIMIT $2
)
