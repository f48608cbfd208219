UPDATE catalog.datasets SET gone_at = $2 WHERE gone_at IS NULL AND NOT (id = ANY ($1))
