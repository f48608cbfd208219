-- The trust's tables, their grants, and the revision that every decision belongs to.
CREATE SCHEMA IF NOT EXISTS policies;

-- One row: the number of the rules in force. Every change below raises it and tells the listeners.
CREATE TABLE policies.revision (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    revision bigint NOT NULL DEFAULT 1,
    at       timestamptz NOT NULL DEFAULT now()
);
INSERT INTO policies.revision DEFAULT VALUES;

CREATE FUNCTION policies.tell_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('policies_revision', NEW.revision::text);
    RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER UPDATE ON policies.revision FOR EACH ROW EXECUTE FUNCTION policies.tell_revision();

CREATE FUNCTION policies.raise_revision() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog AS $$
BEGIN
    UPDATE policies.revision SET revision = revision + 1, at = clock_timestamp();
    RETURN NULL;
END $$;

CREATE TABLE policies.parties (
    party text PRIMARY KEY,
    name  text NOT NULL
);

CREATE TABLE policies.domains (
    tenant     text NOT NULL,
    name       text NOT NULL,
    types      text[] NOT NULL,                 -- IRIs
    body       jsonb NOT NULL,                  -- the file, names expanded
    digest     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name)
);
-- A type belongs to one domain per tenant.
CREATE TABLE policies.domain_types (
    tenant text NOT NULL,
    type   text NOT NULL,
    domain text NOT NULL REFERENCES policies.domains (name) ON DELETE CASCADE,
    PRIMARY KEY (tenant, type)
);

CREATE TABLE policies.agreements (
    uid         text NOT NULL,
    version     integer NOT NULL CHECK (version > 0),
    current     boolean NOT NULL DEFAULT true,
    status      text NOT NULL CHECK (status IN ('offered', 'applied', 'active', 'suspended', 'revoked', 'expired')),
    tenant      text NOT NULL,
    domain      text NOT NULL REFERENCES policies.domains (name),
    assigner    text NOT NULL,
    assignee    text NOT NULL,
    valid_from  timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    body        jsonb NOT NULL,                 -- the decision's form, names expanded
    source      jsonb NOT NULL,                 -- as written
    digest      text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (uid, version)
);
CREATE UNIQUE INDEX agreements_current ON policies.agreements (uid) WHERE current;
CREATE INDEX agreements_assignee ON policies.agreements (assignee, tenant) WHERE current;

CREATE TABLE policies.applications (
    id        uuid PRIMARY KEY,
    domain    text NOT NULL REFERENCES policies.domains (name),
    party     text NOT NULL,
    purpose   text NOT NULL,
    body      jsonb NOT NULL,
    status    text NOT NULL DEFAULT 'applied' CHECK (status IN ('applied', 'granted', 'refused', 'withdrawn')),
    at        timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE policies.assessments (
    id          text PRIMARY KEY,
    domain      text NOT NULL REFERENCES policies.domains (name),
    body        jsonb NOT NULL,
    valid_until timestamptz NOT NULL,
    at          timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE policies.optouts (
    domain    text NOT NULL,
    pseudonym text NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (domain, pseudonym)
);

CREATE TABLE policies.cases (
    id       uuid PRIMARY KEY,
    kind     text NOT NULL CHECK (kind IN ('appeal', 'access')),
    body     jsonb NOT NULL,
    status   text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'answered', 'closed')),
    due      timestamptz NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
);

-- What has been used of an agreement's quota in the running period.
CREATE TABLE policies.duties (
    agreement  text NOT NULL,
    kind       text NOT NULL,
    period     timestamptz NOT NULL,            -- start of the period
    period_end timestamptz NOT NULL,
    allowed    bigint NOT NULL,
    used       bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (agreement, kind, period)
);

CREATE TABLE policies.certificates (
    id   uuid PRIMARY KEY,
    kind text NOT NULL,
    body jsonb NOT NULL,
    jws  text NOT NULL,
    at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE policies.audit_pending (
    id     uuid PRIMARY KEY,
    record text,                                -- canonical JSON; null once erased
    salt   bytea,                               -- null once erased
    c      bytea NOT NULL CHECK (octet_length(c) = 32),
    at     timestamptz NOT NULL DEFAULT now(),
    CHECK ((record IS NULL) = (salt IS NULL))
);

CREATE TABLE policies.audit_leaf (
    seq    bigint PRIMARY KEY CHECK (seq >= 0),
    id     uuid NOT NULL UNIQUE,
    record text,
    salt   bytea,
    c      bytea NOT NULL,
    leaf   bytea NOT NULL CHECK (octet_length(leaf) = 32),
    CHECK ((record IS NULL) = (salt IS NULL))
);
-- Hashes of complete subtrees (RFC 9162, 2.1): level 1 and up, so that roots and proofs read few rows.
CREATE TABLE policies.audit_node (
    level integer NOT NULL CHECK (level > 0),
    pos   bigint NOT NULL CHECK (pos >= 0),
    hash  bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (level, pos)
);
CREATE TABLE policies.checkpoint (
    size bigint PRIMARY KEY CHECK (size >= 0),
    root bytea NOT NULL CHECK (octet_length(root) = 32),
    note text NOT NULL,                         -- the signed note (c2sp tlog-checkpoint)
    at   timestamptz NOT NULL DEFAULT now()
);

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON policies.agreements
    FOR EACH STATEMENT EXECUTE FUNCTION policies.raise_revision();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON policies.domains
    FOR EACH STATEMENT EXECUTE FUNCTION policies.raise_revision();
CREATE TRIGGER changed AFTER INSERT OR DELETE ON policies.optouts
    FOR EACH STATEMENT EXECUTE FUNCTION policies.raise_revision();

-- A quota that has just been used up, or has just been given again, is a change of the rules.
CREATE FUNCTION policies.quota_crossed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog AS $$
BEGIN
    UPDATE policies.revision SET revision = revision + 1, at = clock_timestamp();
    RETURN NULL;
END $$;
CREATE TRIGGER crossed AFTER UPDATE ON policies.duties FOR EACH ROW
    WHEN ((OLD.used >= OLD.allowed) IS DISTINCT FROM (NEW.used >= NEW.allowed))
    EXECUTE FUNCTION policies.quota_crossed();
CREATE TRIGGER spent AFTER INSERT ON policies.duties FOR EACH ROW
    WHEN (NEW.used >= NEW.allowed) EXECUTE FUNCTION policies.quota_crossed();

-- The right to be forgotten: record and salt go, the commitment and its proof stay. The one way to change the log.
CREATE FUNCTION policies.erase_audit(wanted uuid) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog AS $$
DECLARE
    hit boolean;
BEGIN
    UPDATE policies.audit_pending SET record = NULL, salt = NULL WHERE id = wanted AND record IS NOT NULL;
    hit := FOUND;
    UPDATE policies.audit_leaf SET record = NULL, salt = NULL WHERE id = wanted AND record IS NOT NULL;
    RETURN hit OR FOUND;
END $$;
-- Sequencing moves pending records into leaves. Only `policies seal` calls it, holding the log's advisory lock.
CREATE FUNCTION policies.sequence_audit(first_seq bigint, ids uuid[], leaves bytea[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    moved bigint;
BEGIN
    IF first_seq <> (SELECT coalesce(max(seq) + 1, 0) FROM policies.audit_leaf) THEN
        RAISE EXCEPTION 'the log has grown past %', first_seq;
    END IF;
    WITH gone AS (
        DELETE FROM policies.audit_pending p USING unnest(ids) AS u (id) WHERE p.id = u.id RETURNING p.*
    )
    INSERT INTO policies.audit_leaf (seq, id, record, salt, c, leaf)
    SELECT first_seq + u.n - 1, g.id, g.record, g.salt, g.c, u.leaf
    FROM unnest(ids, leaves) WITH ORDINALITY AS u (id, leaf, n) JOIN gone g USING (id);
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(ids) THEN
        RAISE EXCEPTION '% of % records are pending', moved, cardinality(ids);
    END IF;
    RETURN moved;
END $$;
REVOKE ALL ON FUNCTION policies.raise_revision(), policies.quota_crossed(), policies.tell_revision(),
    policies.erase_audit(uuid), policies.sequence_audit(bigint, uuid[], bytea[]) FROM PUBLIC;

-- Who may what. Nobody may UPDATE or DELETE the audit tables.
GRANT USAGE ON SCHEMA policies TO datapolis_policies, datapolis_broker, datapolis_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON policies.domains, policies.domain_types, policies.parties,
    policies.agreements, policies.applications, policies.assessments, policies.optouts, policies.cases,
    policies.duties TO datapolis_policies;
GRANT SELECT ON policies.revision TO datapolis_policies;
GRANT SELECT, INSERT ON policies.audit_pending, policies.audit_node, policies.checkpoint, policies.certificates
    TO datapolis_policies;
GRANT SELECT ON policies.audit_leaf TO datapolis_policies;
GRANT EXECUTE ON FUNCTION policies.erase_audit(uuid), policies.sequence_audit(bigint, uuid[], bytea[])
    TO datapolis_policies;

GRANT SELECT ON policies.agreements, policies.domains, policies.domain_types, policies.revision, policies.optouts,
    policies.duties TO datapolis_broker;
GRANT INSERT, UPDATE (used) ON policies.duties TO datapolis_broker;
GRANT INSERT ON policies.audit_pending TO datapolis_broker, datapolis_tenant;
