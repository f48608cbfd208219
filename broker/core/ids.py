"""Names and identifiers, parsed once at the edge (CIM 009 V1.9.1, 4.6.2, 4.14, 5.5.4).

`Iri` is a name in expanded form, `Term` one as a request or answer writes it; mixing them is a type error.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NewType

from broker.core.errors import BadRequestData

__all__ = [
    "DEFAULT_TENANT",
    "NULL",
    "EntityId",
    "Iri",
    "TenantId",
    "Term",
    "is_name",
    "is_uri",
    "parse_entity_id",
    "parse_tenant",
    "parse_uri",
]

Iri = NewType("Iri", str)
Term = NewType("Term", str)
EntityId = NewType("EntityId", str)
TenantId = NewType("TenantId", str)

DEFAULT_TENANT = TenantId("default")
NULL = "urn:ngsi-ld:null"
"""The NGSI-LD Null (4.5.0): stands for JSON null where a member is to be removed."""

_MAX_URI = 2048
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`\x00-\x20]+")
_TENANT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,62}")
_NAME = re.compile(r"[^\W\d_]\w*(:[^\W\d_]\w*)?")


def is_uri(text: object) -> bool:
    """Say whether `text` is an absolute URI or IRI (a scheme, a colon, and nothing that RFC 3987 bars)."""
    return isinstance(text, str) and _is_uri(text)


@lru_cache(maxsize=4096)
def _is_uri(text: str) -> bool:
    """Work it out; names of attributes and types come again and again."""
    return len(text) <= _MAX_URI and _URI.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Say whether `text` is a name of 4.6.2 (letters, numbers, `_`; perhaps with a prefix) or an absolute IRI."""
    return _NAME.fullmatch(text) is not None or is_uri(text)


def parse_uri(value: object, member: str) -> str:
    """Return `value` if it is an absolute URI, else raise BadRequestData naming `member`."""
    if not is_uri(value):
        raise BadRequestData(f"{member}: {_shown(value)} is not an absolute URI such as urn:ngsi-ld:Vehicle:1")
    return str(value)


def parse_entity_id(value: object, member: str = "id") -> EntityId:
    """Return an entity id; anything but an absolute URI, and the NGSI-LD Null, is BadRequestData."""
    if value == NULL:
        raise BadRequestData(f"{member}: {NULL} cannot identify an entity")
    return EntityId(parse_uri(value, member))


def parse_tenant(value: str | None) -> TenantId:
    """Return the tenant a request names; none or empty is the default tenant (4.14)."""
    if not value:
        return DEFAULT_TENANT
    if _TENANT.fullmatch(value) is None:
        raise BadRequestData(
            f"NGSILD-Tenant: {_shown(value)} is not a tenant name (letters, digits, '_', '-', '.'; at most 63)"
        )
    return TenantId(value)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
