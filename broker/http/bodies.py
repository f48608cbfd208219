"""The @context of a body, and the items of a batch (CIM 009 V1.9.1, 6.3.5, 5.6.7.4)."""

from __future__ import annotations

from typing import Any

from broker.core.errors import BadRequestData
from broker.http.negotiate import LD_JSON, Body
from broker.ld.active import Active
from broker.ld.contexts import Contexts
from ontologies import load

__all__ = ["context_of_body", "items", "own_context"]


async def context_of_body(contexts: Contexts, body: Body, document: Any) -> Active:
    """Resolve the @context of a document in a body: its own with `application/ld+json`, else the Link header's."""
    inside = isinstance(document, dict) and "@context" in document
    if body.in_body:
        if not inside:
            raise BadRequestData(f"@context: missing; with Content-Type {LD_JSON} the document carries it (6.3.5)")
        return await contexts.resolve(document["@context"])
    if inside:
        raise BadRequestData("@context: with Content-Type application/json it belongs into the Link header (6.3.5)")
    return await contexts.resolve(body.link)


def own_context(body: Body) -> list[Any]:
    """Give the parts of a request's @context that are not built in: URLs, or term maps."""
    source = body.link
    if body.in_body:
        source = body.data.get("@context") if isinstance(body.data, dict) else None
    parts = source if isinstance(source, list) else [source]
    return [one for one in parts if one is not None and not (isinstance(one, str) and one in load.contexts())]


def items(body: Body, most: int) -> list[Any]:
    """Give the items of a batch: a non-empty array without null, of at most `most`."""
    if not isinstance(body.data, list) or not body.data:
        raise BadRequestData("the body: a non-empty array is needed")
    if len(body.data) > most:
        raise BadRequestData(f"the body: {len(body.data)} items; at most {most} are taken in one batch")
    for at, item in enumerate(body.data):
        if item is None:
            raise BadRequestData(f"[{at}]: null is no item of a batch")
    return body.data
