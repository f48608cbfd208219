SELECT dataset, fulfilled, first_at, last_at, current
FROM catalog.scores WHERE domain = $1 AND last_at >= $2
ORDER BY dataset, seq
LIMIT 20000
