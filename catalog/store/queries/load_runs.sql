SELECT gate, value, target, unit, passed, reason, first_at, last_at
FROM catalog.evidence
WHERE domain = $1 AND last_at >= $2
ORDER BY gate, seq
LIMIT 20000
