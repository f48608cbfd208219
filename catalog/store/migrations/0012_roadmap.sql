-- What the roadmap's gates were found to be, one row per run of equal findings; and the pilots' figures.
CREATE TABLE catalog.roadmap_runs (
    seq      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    quarter  text NOT NULL,
    gate     text NOT NULL,
    status   text NOT NULL CHECK (status IN ('pass', 'hold', 'blocked')),
    reason   text NOT NULL,
    first_at timestamptz NOT NULL,
    last_at  timestamptz NOT NULL
);
CREATE INDEX roadmap_runs_gate ON catalog.roadmap_runs (quarter, gate, seq DESC);

-- A baseline is measured once and never again: no UPDATE is granted.
CREATE TABLE catalog.baselines (
    pilot      text PRIMARY KEY,
    definition jsonb NOT NULL,
    figure     jsonb NOT NULL,
    at         timestamptz NOT NULL
);
CREATE TABLE catalog.pilots (
    pilot  text PRIMARY KEY,
    figure jsonb NOT NULL,
    at     timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON catalog.roadmap_runs, catalog.pilots TO datapolis_catalog;
GRANT SELECT, INSERT ON catalog.baselines TO datapolis_catalog;
