WITH given AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS g(dataset text, domain text, total integer, fulfilled text[])
)
UPDATE catalog.scores s SET current = false
FROM given g WHERE s.current AND s.dataset = g.dataset AND s.fulfilled <> g.fulfilled
