-- Stored @contexts (CIM 009, 5.13). Cached ones are the broker's own copies of public documents, one for all tenants;
-- Hosted and ImplicitlyCreated ones belong to a tenant, and their url is the path under which the broker serves them.
-- The table stands here and not in the tenants' schemas because a document is looked up by its URL alone, also where no
-- tenant is at hand. fetched_at says when the body last changed.

ALTER TABLE broker.contexts
    ADD COLUMN local_id   text COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text UNIQUE,
    ADD COLUMN kind       text COLLATE "C" NOT NULL DEFAULT 'Cached'
                          CHECK (kind IN ('Cached', 'Hosted', 'ImplicitlyCreated')),
    ADD COLUMN tenant     text COLLATE "C",
    ADD COLUMN party      text COLLATE "C",
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN last_used  timestamptz,
    ADD COLUMN hits       bigint NOT NULL DEFAULT 0,
    ADD CHECK ((kind = 'Cached') = (tenant IS NULL));
CREATE INDEX contexts_tenant ON broker.contexts (tenant, kind);
