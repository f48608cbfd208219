-- name: take
WITH due AS MATERIALIZED (
    SELECT schema, subscription, step_s, next_at, until FROM broker.beats
    WHERE next_at <= now() ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED
), over AS (
    DELETE FROM broker.beats AS b USING due AS d
    WHERE b.schema = d.schema AND b.subscription = d.subscription AND d.until <= now()
), moved AS (
    UPDATE broker.beats AS b
    SET next_at = d.next_at
        + make_interval(secs => d.step_s * (floor(extract(epoch FROM now() - d.next_at)::double precision / d.step_s) + 1))
    FROM due AS d
    WHERE b.schema = d.schema AND b.subscription = d.subscription AND (d.until IS NULL OR d.until > now())
)
SELECT t.tenant, d.subscription, (extract(epoch FROM d.next_at) * 1000000)::bigint AS instant, EXISTS (
        SELECT FROM broker.ledger AS l
        WHERE l.tenant = t.tenant AND l.subscription = d.subscription AND l.status = 'waiting' AND l.version < 0
    ) AS behind
FROM due AS d JOIN broker.tenants AS t ON t.schema = d.schema
WHERE d.until IS NULL OR d.until > now()

-- name: pause
SELECT extract(epoch FROM min(next_at) - clock_timestamp())::double precision FROM broker.beats
