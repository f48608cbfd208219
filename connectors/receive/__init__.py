"""The receiving side of pushed feeds: who may send, what waits for Kafka, and the HTTP endpoint."""
