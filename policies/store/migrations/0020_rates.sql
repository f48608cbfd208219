-- How full the bucket of an agreed rate is: requests fill it, time empties it, and all workers share it.
CREATE TABLE policies.rates (
    agreement text NOT NULL,
    value     text NOT NULL,                    -- as agreed: 50/PT1S
    level     double precision NOT NULL,        -- requests not yet run out at `at`
    per_s     double precision NOT NULL,        -- how many run out in a second
    at        timestamptz NOT NULL,
    PRIMARY KEY (agreement, value)
);
GRANT SELECT, INSERT, UPDATE ON policies.rates TO datapolis_broker, datapolis_policies;
GRANT DELETE ON policies.rates TO datapolis_policies;
