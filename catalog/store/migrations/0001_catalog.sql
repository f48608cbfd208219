-- What the catalog found out, and what it concluded. Nobody else reads or writes here (contracts, section 3).
CREATE SCHEMA IF NOT EXISTS catalog;

-- The last round of reading, one row per domain.
CREATE TABLE catalog.harvests (
    domain    text PRIMARY KEY,
    position  integer NOT NULL,               -- the order in which the city declares its domains
    first_at  timestamptz NOT NULL,           -- when the domain was first read: the datasets' date of issue
    at        timestamptz NOT NULL,
    facts     jsonb NOT NULL                  -- catalog.dataset.Harvest
);

-- One row per run of equal findings: while a gate goes on saying the same, its row is renewed; else a new one begins.
CREATE TABLE catalog.evidence (
    seq       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    domain    text NOT NULL,
    gate      text NOT NULL,
    value     jsonb,
    target    jsonb,
    unit      text NOT NULL,
    at        timestamptz NOT NULL,
    expires   timestamptz NOT NULL,
    source    text NOT NULL,
    method    text NOT NULL,
    passed    boolean NOT NULL,
    reason    text NOT NULL,
    first_at  timestamptz NOT NULL,
    last_at   timestamptz NOT NULL
);
CREATE INDEX evidence_current ON catalog.evidence (domain, gate, seq DESC);

-- One row per verdict; a new version begins when the status or the failing gates change.
CREATE TABLE catalog.verdicts (
    domain    text NOT NULL,
    version   integer NOT NULL CHECK (version > 0),
    status    text NOT NULL CHECK (status IN ('governed', 'not yet')),
    failing   text[] NOT NULL,
    reason    text NOT NULL,
    since     timestamptz NOT NULL,
    last_at   timestamptz NOT NULL,
    expires   timestamptz NOT NULL,
    PRIMARY KEY (domain, version)
);

-- The AI register: entries by version.
CREATE TABLE catalog.systems (
    id        text NOT NULL,
    version   integer NOT NULL CHECK (version > 0),
    entry     jsonb NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (id, version)
);

-- The roadmap: the gates of each quarter and what was found of them.
CREATE TABLE catalog.roadmap (
    quarter   text NOT NULL CHECK (quarter ~ '^[0-9]{4}-Q[1-4]$'),
    gate      text NOT NULL,
    body      jsonb NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (quarter, gate)
);

GRANT USAGE ON SCHEMA catalog TO datapolis_catalog;
GRANT SELECT, INSERT, UPDATE, DELETE ON catalog.harvests, catalog.roadmap TO datapolis_catalog;
GRANT SELECT, INSERT, UPDATE ON catalog.evidence, catalog.verdicts TO datapolis_catalog;
GRANT SELECT, INSERT ON catalog.systems TO datapolis_catalog;
