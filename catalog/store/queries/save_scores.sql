INSERT INTO catalog.scores (dataset, domain, total, fulfilled, first_at, last_at)
SELECT dataset, domain, total, fulfilled, $2, $2
FROM jsonb_to_recordset($1::jsonb) AS g(dataset text, domain text, total integer, fulfilled text[])
ON CONFLICT (dataset) WHERE current DO UPDATE SET last_at = excluded.last_at
