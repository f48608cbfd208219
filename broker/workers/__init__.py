"""Background roles: ingest, relay, notify, expire."""
