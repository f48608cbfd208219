-- Throttled subscriptions (CIM 009 V1.9.1, 5.2.12 throttling): what has changed for one waits here, and goes in one
-- notification as soon as open_at has come.

-- For a throttled subscription step_s is the least pause, next_at is infinite while nothing has changed for it, and
-- open_at is the earliest instant of its next notification.
ALTER TABLE broker.beats
    ADD COLUMN throttled boolean NOT NULL DEFAULT false,
    ADD COLUMN open_at timestamptz NOT NULL DEFAULT '-infinity';

-- An entity that changed for a throttled subscription. version: 0 until its notification is entered into broker.ledger,
-- then that one's.
CREATE TABLE broker.pending (
    tenant       text COLLATE "C" NOT NULL,
    subscription text COLLATE "C" NOT NULL,
    version      bigint NOT NULL DEFAULT 0,
    entity       text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, subscription, version, entity)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON broker.pending TO datapolis_broker;

CREATE OR REPLACE FUNCTION broker.set_beat() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    doc jsonb;
    step double precision;
    is_throttled boolean;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        doc := NEW.doc::jsonb;
        is_throttled := doc ? 'throttling';
        step := CASE WHEN is_throttled THEN (doc ->> 'throttling')::double precision
                     ELSE greatest((doc ->> 'timeInterval')::double precision, 1.0) END;
    END IF;
    IF TG_OP = 'DELETE' OR NOT doc ?| ARRAY['throttling', 'timeInterval'] OR doc ->> 'isActive' = 'false' THEN
        IF TG_OP <> 'INSERT' THEN
            DELETE FROM broker.beats WHERE schema = TG_TABLE_SCHEMA AND subscription = OLD.id;
            DELETE FROM broker.pending AS p USING broker.tenants AS t
            WHERE t.schema = TG_TABLE_SCHEMA AND p.tenant = t.tenant AND p.subscription = OLD.id;
        END IF;
        RETURN NULL;
    END IF;
    INSERT INTO broker.beats AS b (schema, subscription, step_s, next_at, until, throttled)
    VALUES (
        TG_TABLE_SCHEMA, NEW.id, step,
        CASE WHEN is_throttled THEN 'infinity' ELSE clock_timestamp() + make_interval(secs => step) END,
        NEW.expires_at, is_throttled
    )
    ON CONFLICT (schema, subscription) DO UPDATE SET step_s = excluded.step_s, until = excluded.until,
        throttled = excluded.throttled,
        next_at = CASE
            WHEN b.throttled AND excluded.throttled OR b.step_s = excluded.step_s AND b.throttled = excluded.throttled
            THEN b.next_at ELSE excluded.next_at
        END;
    RETURN NULL;
END $$;
