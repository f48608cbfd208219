"""One function per NGSI-LD operation (CIM 009 V1.9.1, 5.6 and 5.7); each owns its transaction."""
