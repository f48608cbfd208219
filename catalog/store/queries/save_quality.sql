INSERT INTO catalog.quality (domain, feed, dimension, value, first_at, last_at)
SELECT domain, feed, dimension, value, $2, $2
FROM jsonb_to_recordset($1::jsonb) AS g(domain text, feed text, dimension text, value double precision)
ON CONFLICT (domain, feed, dimension) WHERE current DO UPDATE SET last_at = excluded.last_at
