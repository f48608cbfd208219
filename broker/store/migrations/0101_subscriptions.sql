-- Subscriptions (CIM 009 V1.9.1, 5.2.12) and the ledger of the notifications that they are owed.

-- Raised by every change of a tenant's subscriptions; the notifier compares it in the transaction that consumes changes,
-- so that a subscription counts for every change made after it was acknowledged.
CREATE TABLE broker.subscription_revision (
    schema   text COLLATE "C" PRIMARY KEY,
    revision bigint NOT NULL
);
GRANT SELECT ON broker.subscription_revision TO datapolis_broker;

CREATE FUNCTION broker.touch_subscriptions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO broker.subscription_revision AS r (schema, revision) VALUES (TG_TABLE_SCHEMA, 1)
    ON CONFLICT (schema) DO UPDATE SET revision = r.revision + 1;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION broker.touch_subscriptions() FROM PUBLIC;

-- doc is the subscription in internal form (expanded names). party, sub, tier, roles and purpose are the subscriber's:
-- every notification is decided for them anew.
SELECT broker.add_tenant_ddl('subscriptions', $ddl$
CREATE TABLE {schema}.subscriptions (
    id          text COLLATE "C" PRIMARY KEY,
    doc         text NOT NULL,
    party       text COLLATE "C" NOT NULL,
    sub         text NOT NULL,
    tier        text NOT NULL,
    roles       text[] NOT NULL,
    purpose     text NOT NULL,
    created_at  timestamptz NOT NULL,
    modified_at timestamptz NOT NULL,
    expires_at  timestamptz
);
CREATE INDEX subscriptions_party ON {schema}.subscriptions (party, id);
CREATE TRIGGER subscriptions_touch AFTER INSERT OR UPDATE OR DELETE ON {schema}.subscriptions
    FOR EACH STATEMENT EXECUTE FUNCTION broker.touch_subscriptions();
$ddl$);

-- One change that some subscription is owed: the entity before and after it, in internal form. Deleted when nothing
-- waits for it any more.
CREATE TABLE broker.ledger_state (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant    text COLLATE "C" NOT NULL,
    entity    text COLLATE "C" NOT NULL,
    version   bigint NOT NULL,
    at        timestamptz NOT NULL,
    partition integer NOT NULL,
    before    text,
    after     text NOT NULL
);
CREATE UNIQUE INDEX ledger_state_change ON broker.ledger_state (tenant, entity, version);
GRANT SELECT, INSERT, DELETE ON broker.ledger_state TO datapolis_broker;

-- One notification owed, its tries and its outcome. Whoever owns the partition of `changes` delivers it, so order per
-- (subscription, entity) needs no lock. Settled rows stay longer than Kafka keeps a change: a change told twice is owed once.
CREATE TABLE broker.ledger (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant       text COLLATE "C" NOT NULL,
    subscription text COLLATE "C" NOT NULL,
    entity       text COLLATE "C" NOT NULL,
    version      bigint NOT NULL,
    partition    integer NOT NULL,
    status       text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'delivered', 'dead')),
    due_at       timestamptz NOT NULL DEFAULT now(),
    tries        integer NOT NULL DEFAULT 0,
    retry_at     timestamptz,
    settled_at   timestamptz,
    error        text,
    UNIQUE (tenant, subscription, entity, version)
);
CREATE INDEX ledger_waiting ON broker.ledger (partition, id) WHERE status = 'waiting';
CREATE INDEX ledger_waiting_line ON broker.ledger (tenant, subscription, id) WHERE status = 'waiting';
CREATE INDEX ledger_waiting_entity ON broker.ledger (tenant, entity, version) WHERE status = 'waiting';
CREATE INDEX ledger_settled ON broker.ledger (settled_at) WHERE status <> 'waiting';
GRANT SELECT, INSERT, UPDATE, DELETE ON broker.ledger TO datapolis_broker;

-- Sums per subscription, kept in the transactions that change the ledger: due = delivered + dead + waiting rows, always.
CREATE TABLE broker.ledger_totals (
    tenant            text COLLATE "C" NOT NULL,
    subscription      text COLLATE "C" NOT NULL,
    due               bigint NOT NULL DEFAULT 0,
    delivered         bigint NOT NULL DEFAULT 0,
    dead              bigint NOT NULL DEFAULT 0,
    sent              bigint NOT NULL DEFAULT 0,
    failed            bigint NOT NULL DEFAULT 0,
    last_notification timestamptz,
    last_success      timestamptz,
    last_failure      timestamptz,
    PRIMARY KEY (tenant, subscription)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE, DELETE ON broker.ledger_totals TO datapolis_broker;
