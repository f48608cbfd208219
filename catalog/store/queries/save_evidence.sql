WITH given AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS g(
        domain text, gate text, value jsonb, target jsonb, unit text, at timestamptz, expires timestamptz,
        source text, method text, passed boolean, reason text)
), newest AS (
    SELECT DISTINCT ON (e.domain, e.gate) e.seq, e.domain, e.gate, e.target, e.source, e.method, e.passed
    FROM catalog.evidence e JOIN given g USING (domain, gate)
    ORDER BY e.domain, e.gate, e.seq DESC
), renewed AS (
    UPDATE catalog.evidence e
    SET value = g.value, unit = g.unit, at = g.at, expires = g.expires, reason = g.reason, last_at = $2
    FROM given g JOIN newest n USING (domain, gate)
    WHERE e.seq = n.seq AND n.passed = g.passed AND n.target IS NOT DISTINCT FROM g.target
      AND n.source = g.source AND n.method = g.method
    RETURNING e.domain, e.gate
)
INSERT INTO catalog.evidence
    (domain, gate, value, target, unit, at, expires, source, method, passed, reason, first_at, last_at)
SELECT g.domain, g.gate, g.value, g.target, g.unit, g.at, g.expires, g.source, g.method, g.passed, g.reason, $2, $2
FROM given g
WHERE NOT EXISTS (SELECT FROM renewed r WHERE r.domain = g.domain AND r.gate = g.gate)
