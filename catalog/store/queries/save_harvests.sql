WITH given AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS g(domain text, position integer, facts jsonb)
), gone AS (
    DELETE FROM catalog.harvests h WHERE NOT EXISTS (SELECT FROM given g WHERE g.domain = h.domain)
)
INSERT INTO catalog.harvests AS h (domain, position, first_at, at, facts)
SELECT domain, position, $2, $2, facts FROM given
ON CONFLICT (domain) DO UPDATE SET position = excluded.position, at = excluded.at, facts = excluded.facts
