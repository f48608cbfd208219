"""Outbound HTTP: notifications to subscribers."""
