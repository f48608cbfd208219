WITH given AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS g(domain text, feed text, dimension text, value double precision)
)
UPDATE catalog.quality q SET current = false
WHERE q.current AND q.domain = ANY ($2) AND NOT EXISTS (
    SELECT FROM given g
    WHERE g.domain = q.domain AND g.feed = q.feed AND g.dimension = q.dimension AND g.value = q.value)
