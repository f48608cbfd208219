"""The public NGSI-LD conformance suite (Robot Framework) against this broker, offline and on this machine alone."""
