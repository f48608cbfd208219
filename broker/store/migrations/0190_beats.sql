-- Periodic subscriptions (CIM 009 V1.9.1, 5.2.12 timeInterval, 5.8.6): when each is due next.

-- One row per subscription that is active and has a timeInterval. Whoever moves next_at on enters the notification into
-- broker.ledger in the same transaction: with entity = where its page begins ('' for the first one), and version = minus
-- the microseconds of the instant that it was due at, so that an instant is owed once and no change is taken for one.
CREATE TABLE broker.beats (
    schema       text COLLATE "C" NOT NULL,
    subscription text COLLATE "C" NOT NULL,
    step_s       double precision NOT NULL,
    next_at      timestamptz NOT NULL,
    until        timestamptz,
    PRIMARY KEY (schema, subscription)
) WITH (fillfactor = 50);
CREATE INDEX beats_next ON broker.beats (next_at);
GRANT SELECT, UPDATE, DELETE ON broker.beats TO datapolis_broker;

-- The first notification is due when the interval has passed; a change of something else keeps the beat.
CREATE FUNCTION broker.set_beat() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    doc jsonb;
    step double precision;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        doc := NEW.doc::jsonb;
        step := greatest((doc ->> 'timeInterval')::double precision, 1.0);
    END IF;
    IF TG_OP = 'DELETE' OR doc -> 'timeInterval' IS NULL OR doc ->> 'isActive' = 'false' THEN
        DELETE FROM broker.beats WHERE schema = TG_TABLE_SCHEMA AND subscription = OLD.id;
        RETURN NULL;
    END IF;
    INSERT INTO broker.beats AS b (schema, subscription, step_s, next_at, until)
    VALUES (TG_TABLE_SCHEMA, NEW.id, step, clock_timestamp() + make_interval(secs => step), NEW.expires_at)
    ON CONFLICT (schema, subscription) DO UPDATE SET step_s = excluded.step_s, until = excluded.until,
        next_at = CASE WHEN b.step_s = excluded.step_s THEN b.next_at ELSE excluded.next_at END;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION broker.set_beat() FROM PUBLIC;

SELECT broker.add_tenant_ddl('beats', $ddl$
CREATE TRIGGER subscriptions_beat AFTER INSERT OR UPDATE OR DELETE ON {schema}.subscriptions
    FOR EACH ROW EXECUTE FUNCTION broker.set_beat();
$ddl$);

-- An instant that is over is never entered again, so its row need not be kept as long as those of changes.
CREATE INDEX ledger_settled_beats ON broker.ledger (settled_at) WHERE status <> 'waiting' AND version < 0;
