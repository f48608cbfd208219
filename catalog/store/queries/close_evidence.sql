WITH given AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS g(
        domain text, gate text, target jsonb, source text, method text, passed boolean)
)
UPDATE catalog.evidence e SET current = false
WHERE e.current AND e.domain IN (SELECT domain FROM given) AND NOT EXISTS (
    SELECT FROM given g
    WHERE g.domain = e.domain AND g.gate = e.gate AND g.passed = e.passed
      AND g.target IS NOT DISTINCT FROM e.target AND g.source = e.source AND g.method = e.method)
