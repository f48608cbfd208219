-- Metadata quality of each dataset by the EU method, as it was scored over HTTP: one row per run of equal scores.
CREATE TABLE catalog.scores (
    seq       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset   text NOT NULL,                       -- domain/slug
    domain    text NOT NULL,
    total     integer NOT NULL CHECK (total BETWEEN 0 AND 405),
    fulfilled text[] NOT NULL,                     -- the indicators, in order
    first_at  timestamptz NOT NULL,
    last_at   timestamptz NOT NULL,
    current   boolean NOT NULL DEFAULT true
);
CREATE UNIQUE INDEX scores_now ON catalog.scores (dataset) WHERE current;
CREATE INDEX scores_history ON catalog.scores (domain, last_at);
GRANT SELECT, INSERT, UPDATE ON catalog.scores TO datapolis_catalog;
