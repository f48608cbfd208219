"""What the ingest worker lets in: envelopes of a feed that may publish them, about people who have not opted out.

Pure: the rules and the opt-out set come as arguments. What fails becomes a dead letter with its reason and position,
never its payload.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import orjson

from broker.bus.consume import Message
from broker.core import topics
from broker.core.envelope import Envelope, EnvelopeError, parse
from broker.store.outbox import Owed

__all__ = ["Refusal", "Rules", "admit", "dead_letter"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the publish agreements in force grant: (feed, tenant, domain) to the types. And the tenants there are."""

    grants: Mapping[tuple[str, str, str], frozenset[str]]
    tenants: Container[str]
    known: dict[tuple[str, str, str, str], frozenset[str]] = field(default_factory=dict, compare=False)
    """What is granted to whom has been let in under these rules: (topic, feed, tenant, domain) to the types."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a record was not taken. Carries no value of the record."""

    stage: str
    rule: str
    field: str
    suggestion: str
    feed: str


def admit(message: Message, rules: Rules, optouts: Container[tuple[str, str]]) -> Envelope | Refusal:
    """Parse the record and check it against the rules; the first fault is the reason."""
    try:
        envelope = parse(message.value)
    except EnvelopeError as error:
        detail = error.detail.removeprefix(f"{error.member}: ")
        return Refusal("envelope", "malformed", error.member, _without_values(detail), _feed_of(message.value))
    _, feed, _, tenant, domain, _, _, entity, subjects, _ = envelope
    place = (message.topic, feed, tenant, domain)
    granted = rules.known.get(place)
    if granted is None:
        found = _granted(message, envelope, rules)
        if isinstance(found, Refusal):
            return found
        rules.known[place] = granted = found
    if message.key != topics.key(tenant, entity["id"]):
        return _refuse(envelope, "key", "key", "key the record by tenant, NUL, entity id: order is per key")
    if not granted.issuperset(entity.get("type", ())):
        return _refuse(envelope, "type", "entity.type", "add the type to the domain and to its publish agreement")
    if subjects and any((domain, subject) in optouts for subject in subjects):
        return _refuse(envelope, "opted_out", "subjects", "none: the person has opted out, the record is not kept")
    return envelope


def _granted(message: Message, envelope: Envelope, rules: Rules) -> frozenset[str] | Refusal:
    """Say which types the feed may publish in this place."""
    if not message.topic.endswith(_topic(envelope.domain)):
        return _refuse(envelope, "domain", "domain", "produce a domain's envelopes to the topic of that domain")
    if envelope.tenant not in rules.tenants:
        return _refuse(envelope, "tenant", "tenant", "have the steward create the tenant first")
    granted = rules.grants.get((envelope.feed, envelope.tenant, envelope.domain))
    if granted is None:
        return _refuse(envelope, "agreement", "feed", "activate an agreement that lets the feed publish to the domain")
    return granted


def dead_letter(message: Message, refusal: Refusal, at: str, prefix: str = "") -> Owed:
    """Write the dead letter of a record; its key and `position` name the record, so that a repeat can be told."""
    position = f"{message.topic.removeprefix(prefix)}/{message.partition}/{message.offset}"
    letter = {
        "v": 1,
        "feed": refusal.feed,
        "stage": refusal.stage,
        "rule": refusal.rule,
        "field": refusal.field,
        "suggestion": refusal.suggestion,
        "position": position,
        "length": len(message.value),
        "sha256": hashlib.sha256(message.value).hexdigest(),
        "at": at,
    }
    topic = topics.dead(refusal.feed if _nameable(refusal.feed) else topics.UNKNOWN_FEED)
    return Owed(topic, position, orjson.dumps(letter).decode())


def _refuse(envelope: Envelope, rule: str, field: str, suggestion: str) -> Refusal:
    return Refusal("admit", rule, field, suggestion, envelope.feed)


def _without_values(detail: str) -> str:
    """Cut a quoted value off the front of a detail: dead letters carry nothing of the record."""
    return detail if detail[:1] not in "'\"[{" else "the value is not in the form that the member needs"


def _feed_of(value: bytes) -> str:
    try:
        raw = orjson.loads(value)
    except orjson.JSONDecodeError:
        return topics.UNKNOWN_FEED
    feed = raw.get("feed") if isinstance(raw, dict) else None
    return feed if isinstance(feed, str) and _nameable(feed) else topics.UNKNOWN_FEED


@lru_cache(maxsize=4096)
def _nameable(name: str) -> bool:
    """Say whether a feed or domain can name a topic."""
    try:
        topics.dead(name)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=4096)
def _topic(domain: str) -> str:
    return topics.entities(domain) if _nameable(domain) else "\0"
