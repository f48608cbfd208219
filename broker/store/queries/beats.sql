-- name: take
WITH due AS MATERIALIZED (
    SELECT b.schema, b.subscription, b.step_s, b.next_at, b.until, b.throttled, t.tenant, EXISTS (
            SELECT FROM broker.ledger AS l
            WHERE l.tenant = t.tenant AND l.subscription = b.subscription AND l.status = 'waiting' AND l.version < 0
        ) AS behind, (
            SELECT s.last_notification FROM broker.ledger_totals AS s
            WHERE s.tenant = t.tenant AND s.subscription = b.subscription
        ) + make_interval(secs => b.step_s) AS open_at
    FROM broker.beats AS b JOIN broker.tenants AS t ON t.schema = b.schema
    WHERE b.next_at <= now() ORDER BY b.next_at LIMIT $1 FOR UPDATE OF b SKIP LOCKED
), judged AS (
    SELECT *, coalesce(until <= now(), false) AS over,
        behind OR (throttled AND coalesce(open_at > now(), false)) AS later FROM due
), over AS (
    DELETE FROM broker.beats AS b USING judged AS j
    WHERE b.schema = j.schema AND b.subscription = j.subscription AND j.over
), forgotten AS (
    DELETE FROM broker.pending AS p USING judged AS j
    WHERE p.tenant = j.tenant AND p.subscription = j.subscription AND j.over
), moved AS (
    UPDATE broker.beats AS b
    SET next_at = CASE
            WHEN NOT j.throttled THEN j.next_at + make_interval(
                secs => j.step_s * (floor(extract(epoch FROM now() - j.next_at)::double precision / j.step_s) + 1)
            )
            WHEN j.behind THEN now() + make_interval(secs => j.step_s)
            WHEN j.later THEN j.open_at
            ELSE 'infinity'
        END,
        open_at = CASE
            WHEN j.throttled AND NOT j.later THEN now() + make_interval(secs => j.step_s) ELSE b.open_at
        END
    FROM judged AS j
    WHERE b.schema = j.schema AND b.subscription = j.subscription AND NOT j.over
)
SELECT tenant, subscription, (extract(epoch FROM next_at) * 1000000)::bigint AS instant, throttled
FROM judged WHERE NOT over AND NOT later

-- name: pause
SELECT extract(epoch FROM min(next_at) - clock_timestamp())::double precision FROM broker.beats
WHERE next_at < 'infinity'

-- name: pend
INSERT INTO broker.pending (tenant, subscription, entity)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING

-- name: wake
WITH held AS (
    SELECT b.schema, b.subscription FROM broker.beats AS b JOIN broker.tenants AS t ON t.schema = b.schema
    JOIN (SELECT DISTINCT * FROM unnest($1::text[], $2::text[]) AS u (tenant, subscription)) AS n
        ON n.tenant = t.tenant AND n.subscription = b.subscription
    ORDER BY b.schema, b.subscription FOR UPDATE OF b
)
UPDATE broker.beats AS b SET next_at = least(b.next_at, greatest(b.open_at, clock_timestamp()))
FROM held AS h WHERE b.schema = h.schema AND b.subscription = h.subscription

-- name: attach
UPDATE broker.pending AS p SET version = n.version
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS n (tenant, subscription, version)
WHERE p.tenant = n.tenant AND p.subscription = n.subscription AND p.version = 0

-- name: pending
SELECT entity FROM broker.pending
WHERE tenant = $1 AND subscription = $2 AND version = $3 AND entity > $4 ORDER BY entity LIMIT $5
