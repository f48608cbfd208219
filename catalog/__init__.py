"""Catalog: DCAT-AP, computed governed readiness and the public portal, read from the broker's HTTP API."""
