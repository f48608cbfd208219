WITH matched AS MATERIALIZED (
    SELECT d.id, d.seq, d.domain, d.theme, d.licence, d.access, d.publisher, d.title, d.modified,
           CASE WHEN $1 = '' THEN 0 ELSE ts_rank(d.words, q.query) END AS rank
    FROM catalog.datasets d
    CROSS JOIN (SELECT CASE WHEN $1 = '' THEN NULL
        ELSE websearch_to_tsquery('english', $1) || websearch_to_tsquery('simple', $1)
             || CASE WHEN $2 = '' THEN ''::tsquery ELSE to_tsquery('simple', $2) END END AS query) q
    WHERE d.gone_at IS NULL AND ($1 = '' OR d.words @@ q.query)
), found AS MATERIALIZED (
    SELECT * FROM matched
    WHERE ($3::text[] IS NULL OR domain = ANY ($3)) AND ($4::text[] IS NULL OR theme = ANY ($4))
      AND ($5::text[] IS NULL OR licence = ANY ($5)) AND ($6::text[] IS NULL OR access = ANY ($6))
), page AS (
    SELECT row_number() OVER () AS place, id FROM (
        SELECT id FROM found
        ORDER BY CASE WHEN $7 = 'modified' THEN modified END DESC NULLS LAST,
                 CASE WHEN $7 = 'relevance' THEN rank END DESC NULLS LAST, title, id
        LIMIT $8 OFFSET $9) p
)
SELECT 'total' AS kind, NULL AS name, count(*) AS n FROM found
UNION ALL SELECT 'page', id, place FROM page
UNION ALL SELECT 'domain', domain, count(*) FROM found GROUP BY domain
UNION ALL SELECT 'theme', theme, count(*) FROM found WHERE theme IS NOT NULL GROUP BY theme
UNION ALL SELECT 'licence', licence, count(*) FROM found WHERE licence IS NOT NULL GROUP BY licence
UNION ALL SELECT 'access', access, count(*) FROM found GROUP BY access
