-- Who entered a version of the register's entries, from where, why, and the receipt of its audit record.
ALTER TABLE catalog.systems
    ADD COLUMN entered_by text,
    ADD COLUMN source     text NOT NULL DEFAULT 'file' CHECK (source IN ('file', 'api')),
    ADD COLUMN note       text NOT NULL DEFAULT '',
    ADD COLUMN receipt    text NOT NULL DEFAULT '';
