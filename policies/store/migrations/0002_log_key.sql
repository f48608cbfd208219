-- The verifier keys of the log, so that every process can publish them; the signing key stays with the sealer.
CREATE TABLE policies.log_key (
    vkey  text PRIMARY KEY,
    since timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT ON policies.log_key TO datapolis_policies;
