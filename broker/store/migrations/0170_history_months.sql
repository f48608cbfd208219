-- A write makes a month's partition of history only if nobody has to be waited for. Waiting inside a write's
-- transaction can end in a deadlock: the write already holds what another waits for. What cannot be had at once goes to
-- the default partition, and `broker work` moves it (ensure_history, in a transaction of its own).

CREATE FUNCTION broker._make_history(s text, p_months date[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE
    m date;
    part text;
BEGIN
    FOREACH m IN ARRAY p_months LOOP
        part := 'history_' || to_char(m, 'YYYYMM');
        IF to_regclass(format('%I.%I', s, part)) IS NULL THEN
            EXECUTE format('CREATE TABLE %1$I.%2$I (LIKE %1$I.history INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', s, part);
            EXECUTE format(
                'WITH moved AS (DELETE FROM %1$I.history_default WHERE observed_at >= %3$L::timestamptz '
                'AND observed_at < %4$L::timestamptz RETURNING *) INSERT INTO %1$I.%2$I SELECT * FROM moved',
                s, part, m::text || ' 00:00:00+00', (m + interval '1 month')::date::text || ' 00:00:00+00');
            EXECUTE format(
                'ALTER TABLE %1$I.history ATTACH PARTITION %1$I.%2$I FOR VALUES FROM (%3$L) TO (%4$L)',
                s, part, m::text || ' 00:00:00+00', (m + interval '1 month')::date::text || ' 00:00:00+00');
        END IF;
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION broker._make_history(text, date[]) FROM PUBLIC;

-- The months among these that have no partition and may have one: at most 20 years back and one year ahead, so that
-- nobody can make partitions without bound.
CREATE FUNCTION broker._wanting_history(s text, p_months date[]) RETURNS date[]
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT coalesce(array_agg(DISTINCT m ORDER BY m), '{}')
    FROM unnest(p_months) AS x, LATERAL (SELECT date_trunc('month', x)::date AS m) AS month
    WHERE x BETWEEN now() - interval '20 years' AND now() + interval '1 year'
      AND to_regclass(format('%I.%I', s, 'history_' || to_char(m, 'YYYYMM'))) IS NULL
$$;
REVOKE ALL ON FUNCTION broker._wanting_history(text, date[]) FROM PUBLIC;

-- Make the partitions of these months if no lock has to be waited for: 'there' (nothing was missing), 'made' (stays if
-- the transaction does), 'busy' (their rows go to the default partition).
CREATE FUNCTION broker.try_history(p_months date[]) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    s text := current_setting('role');
    wanting date[];
BEGIN
    IF s !~ '^t_[0-9a-f]{16}$' THEN
        RAISE EXCEPTION 'try_history is for tenant roles, not for %', s USING ERRCODE = '42501';
    END IF;
    wanting := broker._wanting_history(s, p_months);
    IF wanting = '{}' THEN
        RETURN 'there';
    END IF;
    BEGIN
        EXECUTE format('LOCK TABLE ONLY %1$I.history IN SHARE UPDATE EXCLUSIVE MODE NOWAIT', s);
        EXECUTE format('LOCK TABLE %1$I.history_default IN ACCESS EXCLUSIVE MODE NOWAIT', s);
    EXCEPTION WHEN lock_not_available THEN
        RETURN 'busy';
    END;
    PERFORM broker._make_history(s, broker._wanting_history(s, p_months));
    RETURN 'made';
END $$;
REVOKE ALL ON FUNCTION broker.try_history(date[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION broker.try_history(date[]) TO datapolis_tenant;

-- Make the partitions of these months and wait for the locks: for a transaction that does nothing else.
CREATE OR REPLACE FUNCTION broker.ensure_history(p_months date[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    s text := current_setting('role');
BEGIN
    IF s !~ '^t_[0-9a-f]{16}$' THEN
        RAISE EXCEPTION 'ensure_history is for tenant roles, not for %', s USING ERRCODE = '42501';
    END IF;
    IF broker._wanting_history(s, p_months) <> '{}' THEN
        EXECUTE format('LOCK TABLE ONLY %1$I.history IN SHARE UPDATE EXCLUSIVE MODE', s);
        EXECUTE format('LOCK TABLE %1$I.history_default IN ACCESS EXCLUSIVE MODE', s);
        PERFORM broker._make_history(s, broker._wanting_history(s, p_months));
    END IF;
END $$;
