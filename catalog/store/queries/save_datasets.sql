WITH given AS (
    SELECT g.*, setweight(to_tsvector('english', g.title), 'A') || setweight(to_tsvector('simple', g.title), 'A')
        || setweight(to_tsvector('english', array_to_string(g.keywords, ' ')), 'B')
        || setweight(to_tsvector('simple', array_to_string(g.keywords, ' ')), 'B')
        || setweight(to_tsvector('english', g.description), 'C') || setweight(to_tsvector('simple', g.description), 'C')
        AS words
    FROM jsonb_to_recordset($1::jsonb) AS g(
        id text, domain text, slug text, title text, description text, keywords text[], theme text, licence text,
        access text, publisher text, modified timestamptz)
)
INSERT INTO catalog.datasets AS d
    (id, domain, slug, title, description, keywords, theme, licence, access, publisher, modified, words)
SELECT id, domain, slug, title, description, keywords, theme, licence, access, publisher, modified, words FROM given
ON CONFLICT (id) DO UPDATE SET
    title = excluded.title, description = excluded.description, keywords = excluded.keywords, theme = excluded.theme,
    licence = excluded.licence, access = excluded.access, publisher = excluded.publisher, modified = excluded.modified,
    words = excluded.words, gone_at = NULL
