"""Feeds in: fetch, decode, minimise, map, check; publish to Kafka. Run as `python -m connectors`."""
