WITH given AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS g(
        domain text, status text, failing text[], reason text, expires timestamptz)
), newest AS (
    SELECT DISTINCT ON (v.domain) v.domain, v.version, v.status, v.failing
    FROM catalog.verdicts v JOIN given g USING (domain)
    ORDER BY v.domain, v.version DESC
), renewed AS (
    UPDATE catalog.verdicts v
    SET reason = g.reason, last_at = $2, expires = g.expires
    FROM given g JOIN newest n USING (domain)
    WHERE v.domain = n.domain AND v.version = n.version AND n.status = g.status AND n.failing = g.failing
    RETURNING v.domain
)
INSERT INTO catalog.verdicts (domain, version, status, failing, reason, since, last_at, expires)
SELECT g.domain, coalesce(n.version, 0) + 1, g.status, g.failing, g.reason, $2, $2, g.expires
FROM given g LEFT JOIN newest n USING (domain)
WHERE NOT EXISTS (SELECT FROM renewed r WHERE r.domain = g.domain)
RETURNING domain, version, status
