-- Entities of which attributes expire (CIM 009 V1.9.1, 4.22): when the first of them does.

SELECT broker.add_tenant_ddl('transient', $ddl$
CREATE TABLE {schema}.entity_transient (
    id text COLLATE "C" PRIMARY KEY,
    at timestamptz NOT NULL
);
CREATE INDEX entity_transient_at ON {schema}.entity_transient (at);
$ddl$);
