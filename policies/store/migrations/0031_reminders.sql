-- What has been reminded of: once for each end, so that a renewal is reminded of anew.
CREATE TABLE policies.reminders (
    kind    text NOT NULL CHECK (kind IN ('agreement', 'assessment')),
    subject text NOT NULL,
    ends    timestamptz NOT NULL,
    at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, subject, ends)
);
GRANT SELECT, INSERT ON policies.reminders TO datapolis_policies;
