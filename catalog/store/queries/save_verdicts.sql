WITH given AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS g(
        domain text, status text, failing text[], reason text, expires timestamptz)
), newest AS (
    SELECT v.domain, v.version, v.status, v.failing
    FROM given g CROSS JOIN LATERAL (
        SELECT * FROM catalog.verdicts v WHERE v.domain = g.domain ORDER BY v.version DESC LIMIT 1) v
), renewed AS (
    UPDATE catalog.verdicts v
    SET reason = g.reason, last_at = $2, expires = g.expires
    FROM given g JOIN newest n USING (domain)
    WHERE v.domain = n.domain AND v.version = n.version AND n.status = g.status AND n.failing = g.failing
    RETURNING v.domain, v.version
), begun AS (
    INSERT INTO catalog.verdicts (domain, version, status, failing, reason, since, last_at, expires)
    SELECT g.domain, coalesce(n.version, 0) + 1, g.status, g.failing, g.reason, $2, $2, g.expires
    FROM given g LEFT JOIN newest n USING (domain)
    WHERE NOT EXISTS (SELECT FROM renewed r WHERE r.domain = g.domain)
    RETURNING domain, version
)
SELECT domain, version, false AS changed FROM renewed UNION ALL SELECT domain, version, true FROM begun
