SELECT v.domain, v.version, v.status, v.failing, v.reason, v.since, v.last_at, v.expires, v.jws
FROM unnest($1::text[]) AS d(domain) CROSS JOIN LATERAL (
    SELECT * FROM catalog.verdicts v WHERE v.domain = d.domain ORDER BY v.version DESC LIMIT $2) v
ORDER BY v.domain, v.version
