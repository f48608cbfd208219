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
    "is_uri_text",
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
_UNSEEN = (
    "\\x00-\\x20\\x7f-\\x9f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u202a-\\u202e"
    "\\u2060-\\u206f\\u2800\\u3164\\ud800-\\udfff\\ufdd0-\\ufdef\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\uffff\\U000e0000-\\U000e0fff"
    + "".join(f"\\U{plane:04x}fffe\\U{plane:04x}ffff" for plane in range(1, 17))
)
"""Characters that show as nothing, turn the text around, or are none: with them two ids would look the same (4.5.1)."""
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`" + _UNSEEN + "]+")
_TENANT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,62}")
_NAME = re.compile(r"[^\W\d_]\w*(:[^\W\d_]\w*)?")


def is_uri(text: object) -> bool:
    """Say whether `text` is an absolute URI or IRI (a scheme, a colon, and nothing that RFC 3987 bars)."""
    return isinstance(text, str) and is_uri_text(text)


@lru_cache(maxsize=4096)
def is_uri_text(text: str) -> bool:
    """Say whether a text is what `is_uri` asks for; names of attributes and types come again and again."""
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
