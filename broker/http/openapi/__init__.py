"""The OpenAPI 3.1 document of the NGSI-LD API, as this broker has it."""

from __future__ import annotations

from broker.http.openapi.document import document

__all__ = ["document"]
