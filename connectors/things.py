"""W3C Web of Things: a Thing Description (1.0, 1.1) as feed declarations, one for each property that can be read.

HTTP properties are polled, MQTT properties subscribed to; what connectors cannot read is told with its reason, and
nothing is guessed. A reading carries no time, so it is observed when it is received (`@received`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from connectors.errors import FeedError
from connectors.functions import slug
from connectors.units import unit_code

__all__ = ["ThingFeed", "ThingImport", "read_thing"]

_READ = frozenset({"readproperty", "observeproperty"})
_TD = ("https://www.w3.org/2019/wot/td/v1", "https://www.w3.org/2022/wot/td/v1.1", "http://www.w3.org/ns/td")
_JSON = re.compile(r"application/([a-z.+-]+\+)?json")


@dataclass(frozen=True, slots=True)
class ThingFeed:
    """A property that can be read: where, how, and what its values are."""

    name: str
    property: str
    title: str
    source: dict[str, Any]
    schema: dict[str, Any]
    unit: str | None


@dataclass(slots=True)
class ThingImport:
    """What a Thing Description gives: feeds, and for each other property the reason why there is none."""

    title: str
    thing: str
    feeds: list[ThingFeed] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)


def read_thing(raw: bytes, name: str) -> ThingImport:
    """Read a Thing Description; FeedError where it is none (a Thing Model, a context, another document)."""
    try:
        thing = json.loads(raw)
    except ValueError as error:
        raise FeedError(f"{name}: is no JSON document: {error}") from error
    if not isinstance(thing, dict):
        raise FeedError(f"{name}: is no Thing Description")
    if "tm:ThingModel" in _listed(thing.get("@type")):
        raise FeedError(f"{name}: is a Thing Model, a template; import the Description of a thing made from it")
    if not any(str(one).startswith(_TD) for one in _listed(thing.get("@context"))):
        raise FeedError(f"{name}: its @context is not that of a W3C Thing Description")
    if "title" not in thing:
        raise FeedError(f"{name}: a Thing Description has a title; it lacks one")
    title = str(thing["title"])
    found = ThingImport(title, str(thing.get("id") or f"urn:ngsi-ld:Thing:{slug(title)}"))
    for key, about in (thing.get("properties") or {}).items():
        _property(thing, key, about, found)
    found.questions.extend(_security(thing))
    if not found.feeds:
        reasons = "; ".join(f"{key}: {reason}" for key, reason in found.left.items()) or "it has no properties"
        raise FeedError(f"{name}: nothing of this thing can be read: {reasons}")
    return found


def _property(thing: dict[str, Any], key: str, about: dict[str, Any], found: ThingImport) -> None:
    if about.get("writeOnly"):
        found.left[key] = "it can only be written"
        return
    reasons: list[str] = []
    for form in _forms(about):
        reason = _unreadable(form)
        href = _joined(str(thing.get("base", "")), str(form.get("href", "")))
        if reason is None and "{" in href:
            reason = "its address has variables; give them values and import the Description again"
        source = None if reason is not None else _source(href, form)
        if isinstance(source, dict):
            name = "-".join(part for part in (slug(found.title), slug(_words(key))) if part)[:63].strip("-")
            unit = unit_code(str(about["unit"])) if about.get("unit") else None
            found.feeds.append(ThingFeed(name, key, str(about.get("title", key)), source, about, unit))
            return
        reasons.append(reason or f"{urlsplit(href).scheme or 'an empty address'} is no protocol that feeds speak")
    found.left[key] = reasons[0] if reasons else "it has no forms"


def _forms(about: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for form in _listed(about.get("forms")):
        operations = set(_listed(form.get("op"))) or _READ
        if operations & _READ:
            yield form


def _unreadable(form: dict[str, Any]) -> str | None:
    content = (form.get("response") or {}).get("contentType") or form.get("contentType", "application/json")
    if _JSON.match(str(content)) is None:
        return f"its readings are {content}, not JSON"
    if form.get("subprotocol"):
        return f"the sub-protocol {form['subprotocol']} is not spoken"
    return None


def _source(href: str, form: dict[str, Any]) -> dict[str, Any] | None:
    parts = urlsplit(href)
    if parts.scheme in {"http", "https"}:
        source: dict[str, Any] = {"kind": "http", "url": href, "every": "1m"}
        headers = {
            one["htv:fieldName"]: one["htv:fieldValue"]
            for one in _listed(form.get("htv:headers"))
            if "htv:fieldName" in one and "htv:fieldValue" in one
        }
        return {**source, "headers": headers} if headers else source
    if parts.scheme in {"mqtt", "mqtts"} and parts.netloc:
        port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)
        topic = str(form.get("mqv:filter") or form.get("mqv:topic") or parts.path.lstrip("/"))
        source = {"kind": "mqtt", "host": f"{parts.hostname}:{port}", "topics": [topic]}
        return {**source, "tls": True} if parts.scheme == "mqtts" else source
    return None


def _joined(base: str, href: str) -> str:
    """Resolve an address against the thing's base, also for schemes that Python does not know."""
    if not base or urlsplit(href).scheme:
        return href
    scheme, _, rest = base.partition("://")
    return scheme + urljoin(f"http://{rest}", href).removeprefix("http")


def _security(thing: dict[str, Any]) -> Iterator[str]:
    definitions = thing.get("securityDefinitions") or {}
    if "security" not in thing:
        yield "the Description does not say how the thing is secured; ask whoever runs it"
    for name in _listed(thing.get("security")):
        scheme = (definitions.get(name) or {}).get("scheme", "unknown")
        if scheme == "basic":
            yield "the thing wants a user and password: add Authorization to source.headers from a ${VARIABLE}"
        elif scheme != "nosec":
            yield f"the thing is secured by {scheme}: add what it wants to source.headers from a ${{VARIABLE}}"


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
