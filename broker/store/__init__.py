"""The broker's state in PostgreSQL: pool, entities, history, outbox. Functions take the connection first."""
