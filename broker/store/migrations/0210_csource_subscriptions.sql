-- Subscriptions to context source registrations (CIM 009 V1.9.1, 5.11). What they are owed is in broker.ledger, as of any
-- other subscription, under names of their own and in partition -1.

-- doc and the subscriber are as in subscriptions. revision counts the changes of doc; told is the revision whose
-- notification with all matching registrations was entered into the ledger; next_at is when the next periodic one is due.
SELECT broker.add_tenant_ddl('csource_subscriptions', $ddl$
CREATE TABLE {schema}.csource_subscriptions (
    id          text COLLATE "C" PRIMARY KEY,
    doc         text NOT NULL,
    party       text COLLATE "C" NOT NULL,
    sub         text NOT NULL,
    tier        text NOT NULL,
    roles       text[] NOT NULL,
    purpose     text NOT NULL,
    created_at  timestamptz NOT NULL,
    modified_at timestamptz NOT NULL,
    expires_at  timestamptz,
    revision    bigint NOT NULL DEFAULT 1,
    told        bigint NOT NULL DEFAULT 0,
    next_at     timestamptz
);
CREATE INDEX csource_subscriptions_party ON {schema}.csource_subscriptions (party, id);
CREATE TRIGGER csource_subscriptions_touch
    AFTER INSERT OR DELETE OR UPDATE OF doc OR TRUNCATE ON {schema}.csource_subscriptions
    FOR EACH STATEMENT EXECUTE FUNCTION broker.touch_subscriptions();
$ddl$);

-- Numbers the notifications, in the order in which they fall due; only their one notifier draws.
CREATE SEQUENCE broker.csource_notification;
GRANT USAGE ON SEQUENCE broker.csource_notification TO datapolis_broker;
