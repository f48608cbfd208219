"""Agreements: ODRL 2.2 with a data part in NGSI-LD's own terms."""
