"""The HTTP binding of the NGSI-LD API (CIM 009 V1.9.1, clause 6)."""
