-- Where each consumer of Kafka stands, and what the workers owe to Kafka.

-- A position moves only by compare-and-set, in the transaction that holds what was consumed. Claiming a partition raises
-- its generation, so that an owner which lost the partition without knowing it changes 0 rows and rolls back.
CREATE TABLE broker.ingest_offsets (
    consumer   text COLLATE "C" NOT NULL,
    topic      text COLLATE "C" NOT NULL,
    partition  integer NOT NULL,
    next       bigint NOT NULL,
    generation bigint NOT NULL,
    owner      text NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, topic, partition)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE ON broker.ingest_offsets TO datapolis_broker;

-- Records owed to Kafka other than changes: dead letters. The relay produces and deletes them as it does the outbox.
CREATE TABLE broker.owed (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text COLLATE "C" NOT NULL,
    key   text COLLATE "C" NOT NULL,
    value text NOT NULL,
    at    timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, DELETE, UPDATE ON broker.owed TO datapolis_broker;

CREATE INDEX outbox_tenant ON broker.outbox (tenant, id);
