-- The name under which a notification is sent, the same at every try. It is drawn: made from the entity's version, it would
-- tell a subscriber how often attributes changed that it may not see.
ALTER TABLE broker.ledger ADD COLUMN name uuid NOT NULL DEFAULT gen_random_uuid();
