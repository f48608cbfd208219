"""Media types, bodies and the @context that a request names (CIM 009 V1.9.1, 6.3.4, 6.3.5, 6.3.6)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import orjson
from starlette.requests import Request

from broker.core.errors import BadRequestData, InvalidRequest, NgsiLdError
from broker.core.nul import where_nul
from broker.core.versions import NATIVE, Version
from broker.ld import contexts as ld

__all__ = [
    "CONTEXT_REL",
    "GEO_JSON",
    "JSON",
    "LD_JSON",
    "Body",
    "BodyTooLong",
    "LengthRequired",
    "Media",
    "NotAcceptable",
    "Preferences",
    "UnsupportedMediaType",
    "accept",
    "body",
    "check_length",
    "context_in_body",
    "link_context",
    "preferences",
]

JSON: Literal["application/json"] = "application/json"
LD_JSON: Literal["application/ld+json"] = "application/ld+json"
GEO_JSON: Literal["application/geo+json"] = "application/geo+json"
CONTEXT_REL = "http://www.w3.org/ns/json-ld#context"

Media: TypeAlias = Literal["application/json", "application/ld+json", "application/geo+json"]


_WEIGHT = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
# Names of preferences are of either case, and may have parameters (RFC 7240, 2).
_VERSION = re.compile(r"ngsi-ld\s*=\s*([0-9]{1,3})\.([0-9]{1,3})\s*(?:;.*)?", re.IGNORECASE)


class NotAcceptable(NgsiLdError):
    """406: none of the acceptable media types can be given."""

    def __init__(self, detail: str, available: Sequence[Media]) -> None:
        super().__init__(detail)
        self.available = available


class UnsupportedMediaType(NgsiLdError):
    """415: the body's media type is none that the operation reads."""


class LengthRequired(NgsiLdError):
    """411: the request does not say how long its body is."""


class BodyTooLong(NgsiLdError):
    """413: the body is longer than the broker takes."""


@dataclass(frozen=True, slots=True)
class Body:
    """A parsed request body, and where its @context comes from: in the body, or in the Link header."""

    data: Any
    in_body: bool
    link: str | None


def accept(header: str | None, *, geo: bool = False) -> Media:
    """Choose the answer's media type: `application/json` first where weights are equal (6.3.4).

    `geo`: the operation answers with entities, also as GeoJSON (6.3.15).
    """
    if header is None or header in ("*/*", JSON):
        return JSON
    if header == LD_JSON:
        return LD_JSON
    weights: dict[Media, tuple[int, float]] = {}
    offers: tuple[Media, ...] = (JSON, LD_JSON, GEO_JSON) if geo else (JSON, LD_JSON)
    for item in header.split(","):
        media, *parameters = (part.strip() for part in item.split(";"))
        weight = _weight(parameters)
        for offered in offers:
            rank = {offered: 3, "application/*": 2, "*/*": 1}.get(media.lower(), 0)
            if rank and rank >= weights.get(offered, (0, 0.0))[0]:
                weights[offered] = (rank, weight)
    best = max(offers, key=lambda offered: weights.get(offered, (0, 0.0))[1])
    if weights.get(best, (0, 0.0))[1] <= 0:
        raise NotAcceptable(f"Accept: {header:.200}; this operation answers {', '.join(offers)}", offers)
    return best


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the Prefer header wishes (RFC 7240; 6.3.6): GeoJSON without @context, a version of the specification."""

    plain_json: bool = False
    version: Version | None = None

    def applied(self) -> dict[str, str]:
        """Give the header that says which version the answer conforms to."""
        if self.version is None:
            return {}
        major, minor = min(self.version, NATIVE)
        return {"Preference-Applied": f"ngsi-ld={major}.{minor}"}


def preferences(request: Request) -> Preferences:
    """Read the Prefer header; of several wishes of a kind the first counts, and what is not understood is ignored."""
    wishes = [wish.strip().replace('"', "") for one in request.headers.getlist("prefer") for wish in one.split(",")]
    versions = [(int(found[1]), int(found[2])) for wish in wishes if (found := _VERSION.fullmatch(wish)) is not None]
    return Preferences("body=json" in wishes, next((one for one in versions if one >= (1, 0)), None))


def context_in_body(request: Request, media: Media) -> bool:
    """Say whether the answer carries its @context in the body, or in the Link header (6.3.6)."""
    if media != GEO_JSON:
        return media == LD_JSON
    return not preferences(request).plain_json


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            found = _WEIGHT.fullmatch(value.strip())
            return float(found.group()) if found is not None else 1.0
    return 1.0


def link_context(request: Request) -> str | None:
    """Give the @context's URL of a request without body."""
    headers = request.headers.getlist("link")
    return ld.link_context(headers) if headers else None


def check_length(request: Request) -> None:
    """Refuse a request that does not say how long its body is (6.3.2, 6.3.4), whatever else it is about."""
    needed = request.method in ("POST", "PATCH", "PUT") or "transfer-encoding" in request.headers
    if needed and "content-length" not in request.headers:
        raise LengthRequired("Content-Length is missing")


async def body(request: Request, most: int) -> Body:
    """Read and parse a request's body, after its preconditions (6.3.4); tell where its @context is (6.3.5)."""
    check_length(request)
    length = request.headers.get("content-length", "0")
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    merge_patch = request.method == "PATCH" and media == "application/merge-patch+json"
    if media not in (JSON, LD_JSON) and not merge_patch:
        raise UnsupportedMediaType(f"Content-Type: expected {JSON} or {LD_JSON}")
    if not length.isdigit() or int(length) > most:
        raise BodyTooLong(f"the body has {length:.20} bytes; at most {most} are taken")
    raw = await request.body()
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(
            f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    place = where_nul(raw, data)
    if place is not None:
        raise BadRequestData(f"{place or 'the body'}: the character U+0000 cannot be stored; leave it out")
    link = link_context(request)
    if media == LD_JSON and link is not None:
        raise BadRequestData(f"Link: with Content-Type {LD_JSON} the @context belongs into the body only (6.3.5)")
    return Body(data, media == LD_JSON, link)
