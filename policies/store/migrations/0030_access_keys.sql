-- Access keys for tools that cannot renew tokens: each bound to one agreement and one purpose, only its hash is kept.
CREATE TABLE policies.access_keys (
    id         text PRIMARY KEY CHECK (id ~ '^[a-z2-7]{16}$'),
    hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
    party      text NOT NULL,
    tier       text NOT NULL,
    agreement  text NOT NULL,
    purpose    text NOT NULL,
    label      text NOT NULL,
    tenant     text NOT NULL,
    domain     text NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,                     -- to the hour
    revoked_by text,
    revoked_at timestamptz,
    CHECK ((revoked_by IS NULL) = (revoked_at IS NULL))
);
CREATE INDEX access_keys_party ON policies.access_keys (party);

-- A key that ends is a change of the rules, so that every worker forgets it within a second.
CREATE TRIGGER ended AFTER UPDATE OF revoked_at OR DELETE ON policies.access_keys
    FOR EACH STATEMENT EXECUTE FUNCTION policies.raise_revision();

GRANT SELECT, INSERT ON policies.access_keys TO datapolis_policies;
GRANT UPDATE (used_at, revoked_by, revoked_at) ON policies.access_keys TO datapolis_policies;
GRANT SELECT ON policies.access_keys TO datapolis_broker;
GRANT UPDATE (used_at) ON policies.access_keys TO datapolis_broker;
