SELECT id, gone_at IS NOT NULL AS gone, count(*) OVER () AS total
FROM catalog.datasets ORDER BY seq
LIMIT $1 OFFSET $2
