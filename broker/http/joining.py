"""Parameters of linked entity retrieval and of ordering (CIM 009 V1.9.1, 4.5.23, 4.23, 5.7.1.4, 5.7.2.4)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, Literal

from broker.core.errors import BadRequestData
from broker.core.ids import parse_uri
from broker.core.parse_order import order_terms, parse_collation, parse_order
from broker.core.query import Order
from broker.http import params
from broker.ops.joins import Join
from broker.settings import BrokerSettings

__all__ = ["MAX_LEVEL", "join", "join_level", "ordering"]

MAX_LEVEL: Final = 10
"""How many links deep entities are joined at most."""

_FORMS: Final[dict[str, Literal["inline", "flat"] | None]] = {"inline": "inline", "flat": "flat", "@none": None}
_MAX_CONTAINED: Final = 1000


def join(given: Mapping[str, str], settings: BrokerSettings) -> Join | None:
    """Read how linked entities are to be joined; None if they are not."""
    named = given.get("join", "@none")
    if named not in _FORMS:
        raise BadRequestData(f"join: expected one of {', '.join(_FORMS)}, found {named!r:.40}")
    form = _FORMS[named]
    level = params.whole(given, "joinLevel", 1, MAX_LEVEL)
    if level == 0:
        raise BadRequestData("joinLevel: expected a whole number from 1, found 0")
    contained = params.names(given, "containedBy")
    if len(contained) > _MAX_CONTAINED:
        raise BadRequestData(f"containedBy: {len(contained)} ids; at most {_MAX_CONTAINED} are taken")
    ids = frozenset(parse_uri(one, "containedBy") for one in contained)
    if form is None:
        return None
    return Join(form, level, ids, settings.join_max)


def join_level(joined: Join | None) -> int:
    """Return over how many links a request looks."""
    return 0 if joined is None else joined.level


def ordering(
    given: Mapping[str, str], expand: Callable[[str], str], json_keys: Collection[str] = ()
) -> tuple[tuple[Order, ...], str | None]:
    """Read what entities are ordered by, and the collation, None for the root's.

    SPEC 5.7.2.4: an ordering needs the local scope. The broker executes it on what it holds, with `local` or without.
    """
    collation = parse_collation(given["collation"]) if "collation" in given else None
    terms = order_terms(given["orderBy"]) if "orderBy" in given else ()
    if not terms and given.keys() & {"orderFrom", "orderGeometry"}:
        raise BadRequestData("orderFrom, orderGeometry: are part of an ordering; give orderBy too (4.23)")
    found = parse_order(
        terms,
        expand,
        coordinates=given.get("orderFrom"),
        geometry=given.get("orderGeometry"),
        json_keys=json_keys,
    )
    if found and "after" in given:
        raise BadRequestData("after: a walk is ordered by id; leave orderBy out")
    return found, collation
