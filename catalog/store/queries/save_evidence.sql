WITH given AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS g(
        domain text, gate text, value jsonb, target jsonb, unit text, at timestamptz, expires timestamptz,
        source text, method text, passed boolean, reason text, why text)
)
INSERT INTO catalog.evidence AS e
    (domain, gate, value, target, unit, at, expires, source, method, passed, reason, why, first_at, last_at, current)
SELECT domain, gate, value, target, unit, at, expires, source, method, passed, reason, why, $2, $2, true
FROM given
ON CONFLICT (domain, gate) WHERE current DO UPDATE SET
    value = excluded.value, unit = excluded.unit, at = excluded.at, expires = excluded.expires,
    reason = excluded.reason, why = excluded.why, last_at = excluded.last_at
