SELECT feed, dimension, value, first_at, last_at, current
FROM catalog.quality WHERE domain = $1 AND last_at >= $2
ORDER BY feed, dimension, seq
LIMIT 20000
