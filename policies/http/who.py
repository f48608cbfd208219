"""Who asks, at the trust's own door: a bearer token, or the one that a person has signed in with.

A browser's token is kept in a cookie that scripts cannot read and that is sent to /trust alone; a request that changes
something and rests on the cookie must come from our own pages (RFC 6265bis, 8.8; Fetch Metadata).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
from fastapi import Request

from policies.agreements.desk import Actor, Desk
from policies.caller import ANY_PURPOSE, PUBLIC, PurposeError, TokenError
from policies.decision import EngineUnavailable

__all__ = ["COOKIE", "BadBody", "Foreign", "actor", "body", "desk_of", "is_form", "visitor"]

COOKIE = "datapolis_token"
_MOST_BYTES = 1_000_000


class BadBody(ValueError):
    """The body cannot be read (HTTP 400)."""


class Foreign(Exception):
    """A form that another site has sent with our visitor's cookie (HTTP 403)."""


def desk_of(request: Request) -> Desk:
    """Give the desk of the running application."""
    found: Desk = request.app.state.trust_desk
    return found


def is_form(request: Request) -> bool:
    """Tell whether a page's form was sent."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in ("application/x-www-form-urlencoded", "multipart/form-data")


async def actor(request: Request) -> Actor:
    """Tell who acts. Raises TokenError, PurposeError, EngineUnavailable, Foreign."""
    headers: Mapping[str, str] = request.headers
    if "authorization" not in headers and COOKIE in request.cookies:
        if request.method not in ("GET", "HEAD") and not _own(request):
            raise Foreign("this form was sent from another site")
        headers = {"authorization": f"Bearer {request.cookies[COOKIE]}"}
    trust = desk_of(request).trust
    caller = await trust.verify(headers)
    if caller.agreement:
        raise TokenError("an access key is for reading data; send a token of the issuer")
    header = request.headers.get("data-purpose")
    try:
        return Actor(caller, trust.purpose(caller, header))
    except PurposeError:
        if header:
            raise
        return Actor(caller, ANY_PURPOSE)  # several to choose from and none named: none is claimed


def _own(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == request.headers.get("host")


async def visitor(request: Request) -> Actor:
    """Tell who looks at a page; whoever cannot be told is the public."""
    try:
        return await actor(request)
    except (TokenError, PurposeError, EngineUnavailable):
        return Actor(PUBLIC, ANY_PURPOSE)


async def body(request: Request) -> dict[str, Any]:
    """Read the members of a JSON body or a form. Raises BadBody."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > _MOST_BYTES:
        raise BadBody(f"the body is longer than {_MOST_BYTES} bytes")
    if is_form(request):
        return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    raw = await request.body()
    if len(raw) > _MOST_BYTES:
        raise BadBody(f"the body is longer than {_MOST_BYTES} bytes")
    try:
        found = orjson.loads(raw) if raw else {}
    except ValueError as error:
        raise BadBody(f"the body is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise BadBody("the body must be a JSON object")
    return found
