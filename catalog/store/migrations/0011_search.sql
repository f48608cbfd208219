-- What people and harvesters search: one row per dataset. `seq` never changes and a dataset that has gone keeps its
-- place for a day, so that a walk by offsets neither skips nor repeats a dataset while others come and go.
CREATE TABLE catalog.datasets (
    id          text PRIMARY KEY,                  -- domain/slug
    seq         bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    domain      text NOT NULL,
    slug        text NOT NULL,
    title       text NOT NULL,
    description text NOT NULL,
    keywords    text[] NOT NULL,
    theme       text,
    licence     text,
    access      text NOT NULL,
    publisher   text NOT NULL,
    modified    timestamptz NOT NULL,
    gone_at     timestamptz,
    words       tsvector NOT NULL
);
CREATE INDEX datasets_words ON catalog.datasets USING gin (words);
CREATE INDEX datasets_domain ON catalog.datasets (domain) WHERE gone_at IS NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON catalog.datasets TO datapolis_catalog;
