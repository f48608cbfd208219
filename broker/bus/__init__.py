"""Kafka: producing, and consuming from positions that live in PostgreSQL."""
