"""The ordering language (CIM 009 V1.9.1, 4.23): orderBy, orderFrom, orderGeometry and collation."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Final, Literal, cast

from broker.core.errors import BadRequestData, TooComplexQuery
from broker.core.parse_geo import parse_origin
from broker.core.parse_q import parse_path
from broker.core.query import Order

__all__ = ["MAX_ORDER", "order_terms", "parse_collation", "parse_order"]

MAX_ORDER: Final = 10

_WAYS: Final = ("asc", "desc", "dist-asc", "dist-desc")
_MEMBERS: Final = ("id", "type", "scope")
_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,15}")
_MAX_TAG: Final = 58
_SORTS: Final = (
    "big5han|compat|dict|direct|ducet|emoji|eor|gb2312|phonebk|phonetic|pinyin|reformed|search|searchjl|standard|stroke|"
    "trad|unihan|zhuyin"
)
_KEYWORDS: Final = {
    "co": re.compile(_SORTS),
    "ka": re.compile("noignore|shifted"),
    "kb": re.compile("true|false"),
    "kc": re.compile("true|false"),
    "kf": re.compile("upper|lower|false"),
    "kk": re.compile("true|false"),
    "kn": re.compile("true|false"),
    "kr": re.compile("[a-z]{4}|space|punct|symbol|currency|digit|others"),
    "ks": re.compile("level[1-4]|identic"),
    "kv": re.compile("space|punct|symbol|currency"),
}
"""What ICU's collations can be told (RFC 6067, UTS 35)."""


def order_terms(text: str) -> tuple[str, ...]:
    """Split the `orderBy` of a URL into its terms: at commas."""
    return tuple(text.split(","))


def parse_order(
    terms: Sequence[str],
    expand: Callable[[str], str],
    *,
    coordinates: object = None,
    geometry: str | None = None,
    json_keys: Collection[str] = (),
) -> tuple[Order, ...]:
    """Parse the terms of an ordering; `coordinates` (JSON text or an array) and `geometry` are what distances are from.

    Raises BadRequestData naming the parameter.
    """
    if len(terms) > MAX_ORDER:
        raise TooComplexQuery(f"orderBy: {len(terms)} terms; at most {MAX_ORDER} are taken")
    origin = None if coordinates is None else parse_origin(geometry or "Point", coordinates, "orderFrom")
    if geometry is not None and coordinates is None:
        raise BadRequestData("orderGeometry: is the type of orderFrom's coordinates, which are missing")
    return tuple(_term(term, expand, origin, json_keys) for term in terms)


def _term(text: str, expand: Callable[[str], str], origin: str | None, json_keys: Collection[str]) -> Order:
    name, semicolon, way = text.partition(";")
    if semicolon and way not in _WAYS:
        raise BadRequestData(f"orderBy: expected one of {', '.join(_WAYS)} after ';', found {way!r:.40}")
    descending = way.endswith("desc")
    far = way.startswith("dist-")
    if far and origin is None:
        raise BadRequestData(f"orderBy: {text:.80} needs orderFrom, the coordinates that distances are from (4.23.3)")
    if name in _MEMBERS:
        if far:
            raise BadRequestData(f"orderBy: {name} has no distance")
        return Order(cast(Literal["id", "type", "scope"], name), descending)
    try:
        path = parse_path(name, expand, json_keys=json_keys)
    except BadRequestData as error:
        raise BadRequestData(f"orderBy: {error.detail.removeprefix('q: ')}") from error
    if far and (path.sub or path.member or path.lang is not None):
        raise BadRequestData(f"orderBy: distances are of whole GeoProperties, not of {name:.80}")
    return Order(path, descending, origin if far else None)


def parse_collation(text: str) -> str:
    """Check an ICU collation (RFC 6067) and return it in lower case, without the `-x-icu` that it may end with.

    Whether its language is known is for ICU to say. Raises BadRequestData.
    """
    tag = text.lower().removesuffix("-x-icu")
    if _TAG.fullmatch(tag) is None or len(tag) > _MAX_TAG:
        raise _no_collation(text, "it is no BCP 47 tag")
    _, extension, keywords = tag.partition("-u-")
    if not extension:
        return tag
    given = keywords.split("-")
    while given:
        key = given.pop(0)
        if key not in _KEYWORDS:
            raise _no_collation(text, f"there is no setting {key}; there are {', '.join(_KEYWORDS)}")
        values = []
        while given and len(given[0]) > 2:
            values.append(given.pop(0))
        if not (values or key in ("kb", "kc", "kk", "kn")) or not all(map(_KEYWORDS[key].fullmatch, values)):
            raise _no_collation(text, f"{key} cannot be {'-'.join(values) or 'empty'}")
    return tag


def _no_collation(text: str, why: str) -> BadRequestData:
    return BadRequestData(f"collation: {text!r:.80} is no ICU collation such as de-u-co-phonebk: {why} (RFC 6067)")
