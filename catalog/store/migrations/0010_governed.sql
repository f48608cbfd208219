-- Signed verdicts, the keys that sign them, evidence with the city's reason for its target, and the history of quality.
ALTER TABLE catalog.evidence ADD COLUMN why text;
ALTER TABLE catalog.evidence ADD COLUMN current boolean NOT NULL DEFAULT false;
UPDATE catalog.evidence e SET current = true
FROM (SELECT max(seq) AS seq FROM catalog.evidence GROUP BY domain, gate) newest WHERE e.seq = newest.seq;
-- One finding of a gate is the current one; rounds renew it in place.
CREATE UNIQUE INDEX evidence_now ON catalog.evidence (domain, gate) WHERE current;

ALTER TABLE catalog.verdicts ADD COLUMN jws text NOT NULL DEFAULT '';

-- Public keys that have signed verdicts, so that every process can publish them; the private one is the assessor's.
CREATE TABLE catalog.keys (
    kid   text PRIMARY KEY,
    jwk   jsonb NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
);

-- Measured quality: one row per run of equal values of a feed's dimension.
CREATE TABLE catalog.quality (
    seq       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    domain    text NOT NULL,
    feed      text NOT NULL,
    dimension text NOT NULL,
    value     double precision NOT NULL,
    first_at  timestamptz NOT NULL,
    last_at   timestamptz NOT NULL,
    current   boolean NOT NULL DEFAULT true
);
CREATE UNIQUE INDEX quality_now ON catalog.quality (domain, feed, dimension) WHERE current;
CREATE INDEX quality_history ON catalog.quality (domain, last_at);

GRANT SELECT, INSERT ON catalog.keys TO datapolis_catalog;
GRANT SELECT, INSERT, UPDATE ON catalog.quality TO datapolis_catalog;
