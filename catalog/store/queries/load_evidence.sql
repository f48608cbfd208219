SELECT domain, gate, value, target, unit, at, expires, source, method, passed, reason, why
FROM catalog.evidence
WHERE current AND domain = ANY ($1)
