-- What the temporal evolution of entities (CIM 009 V1.9.1, 4.5.6) needs besides history itself.
--
-- history.created_at is set once an instance is replaced, to when it was first received; until then an instance was
-- created when it was received. attr '@scope' of history is the evolution of an entity's scope. departed holds what is
-- to be known of entities that are gone: their evolution stays readable to those who may manage them. All of it is
-- written by the statements of the write engine; there are no triggers.

SELECT broker.add_tenant_ddl('temporal', $ddl$
ALTER TABLE {schema}.history ADD COLUMN created_at timestamptz;

CREATE TABLE {schema}.departed (
    id         text COLLATE "C" PRIMARY KEY,
    types      text[] COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz NOT NULL
);
$ddl$);
