SELECT DISTINCT ON (domain, gate)
    domain, gate, value, target, unit, at, expires, source, method, passed, reason, first_at, last_at
FROM catalog.evidence
WHERE domain = ANY ($1)
ORDER BY domain, gate, seq DESC
