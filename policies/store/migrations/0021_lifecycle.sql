-- How an agreement lives: proposals and their approvals, what happened to it, what is owed under it, and to whom word
-- of it is owed. A proposal is a version that is not current: decisions never see it.
ALTER TABLE policies.agreements DROP CONSTRAINT agreements_status_check;
ALTER TABLE policies.agreements ADD CONSTRAINT agreements_status_check CHECK (status IN
    ('offered', 'applied', 'active', 'amended', 'suspended', 'revoked', 'expired', 'refused', 'withdrawn'));
CREATE INDEX agreements_open ON policies.agreements (domain) WHERE status = 'applied';

ALTER TABLE policies.applications
    ADD COLUMN offer     text NOT NULL DEFAULT '',
    ADD COLUMN agreement text NOT NULL DEFAULT '',  -- uid of the agreement that was drawn up from it
    ADD COLUMN person    text NOT NULL DEFAULT '';
CREATE INDEX applications_party ON policies.applications (party);
CREATE INDEX applications_agreement ON policies.applications (agreement);

ALTER TABLE policies.assessments ADD COLUMN told boolean NOT NULL DEFAULT false;  -- that it has run out

-- One row for every act on an agreement. Never changed.
CREATE TABLE policies.events (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agreement text NOT NULL,
    version   integer NOT NULL,
    act       text NOT NULL,
    status    text NOT NULL,                    -- where the version stood afterwards
    party     text NOT NULL,
    person    text NOT NULL,
    reason    text NOT NULL DEFAULT '',
    audit     uuid,
    at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX events_agreement ON policies.events (agreement, id);

-- Who has approved which text: another text needs approving anew.
CREATE TABLE policies.approvals (
    agreement text NOT NULL,
    version   integer NOT NULL,
    digest    text NOT NULL,
    party     text NOT NULL,
    person    text NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (agreement, version, person)
);

-- What a party owes under an agreement besides keeping within it, and by when.
CREATE TABLE policies.obligations (
    id        uuid PRIMARY KEY,
    agreement text NOT NULL,
    kind      text NOT NULL CHECK (kind IN ('attribution', 'delete_after', 'report_benefit')),
    value     text NOT NULL,
    due       timestamptz NOT NULL,
    status    text NOT NULL DEFAULT 'due' CHECK (status IN ('due', 'overdue', 'met', 'dropped')),
    statement text NOT NULL DEFAULT '',
    url       text NOT NULL DEFAULT '',
    person    text NOT NULL DEFAULT '',
    met_at    timestamptz,
    UNIQUE (agreement, kind, value, due)
);
CREATE INDEX obligations_open ON policies.obligations (due) WHERE status IN ('due', 'overdue');

-- Where a party wants to be told. The secret signs webhooks; it is shown once, to the one who names the address.
CREATE TABLE policies.contacts (
    party   text NOT NULL,
    channel text NOT NULL CHECK (channel IN ('webhook', 'email')),
    address text NOT NULL,
    secret  text NOT NULL DEFAULT '',
    person  text NOT NULL DEFAULT '',
    at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (party, channel, address)
);

-- The ledger of notices: written with the act that they speak of, sent at least once.
CREATE TABLE policies.notices (
    id       uuid PRIMARY KEY,
    party    text NOT NULL,
    channel  text NOT NULL,
    address  text NOT NULL,
    kind     text NOT NULL,
    subject  text NOT NULL,
    body     jsonb NOT NULL,
    status   text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'sent', 'dead')),
    tries    integer NOT NULL DEFAULT 0,
    next_try timestamptz NOT NULL DEFAULT now(),
    error    text NOT NULL DEFAULT '',
    at       timestamptz NOT NULL DEFAULT now(),
    sent_at  timestamptz
);
CREATE INDEX notices_waiting ON policies.notices (next_try) WHERE status = 'waiting';

-- Use by hour, counted from the sealed records; `agreement` is empty in the rows that count each request once.
CREATE TABLE policies.usage (
    hour      timestamptz NOT NULL,
    tenant    text NOT NULL,
    domain    text NOT NULL,
    agreement text NOT NULL,
    party     text NOT NULL,
    purpose   text NOT NULL,
    action    text NOT NULL,
    outcome   text NOT NULL,
    requests  bigint NOT NULL,
    entities  bigint NOT NULL,
    PRIMARY KEY (hour, tenant, domain, agreement, party, purpose, action, outcome)
);
CREATE TABLE policies.usage_counted (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq bigint NOT NULL DEFAULT 0               -- leaves below are counted
);
INSERT INTO policies.usage_counted DEFAULT VALUES;

GRANT SELECT, INSERT ON policies.events TO datapolis_policies;
GRANT SELECT, INSERT, UPDATE, DELETE ON policies.approvals, policies.obligations, policies.contacts, policies.notices,
    policies.usage TO datapolis_policies;
GRANT SELECT, UPDATE ON policies.usage_counted TO datapolis_policies;
