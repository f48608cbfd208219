"""The profile as a document: every term of it, what it means, and what it takes; served at /trust/profile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies.agreements.odrl import PROFILE
from policies.agreements.terms import ODRL, TRUST

__all__ = ["SECTIONS", "Section", "Term", "document"]

_NS = "https://datapolis.example/ns#"


@dataclass(frozen=True, slots=True)
class Term:
    """One term: how it is written, what it takes, what it means, and its IRI."""

    name: str
    takes: str
    means: str
    iri: str


@dataclass(frozen=True, slots=True)
class Section:
    """Terms that belong together."""

    name: str
    title: str
    about: str
    terms: tuple[Term, ...]


def _odrl(name: str, takes: str, means: str, local: str = "") -> Term:
    return Term(name, takes, means, f"http://www.w3.org/ns/odrl/2/{local or name}")


def _own(name: str, takes: str, means: str, local: str = "") -> Term:
    return Term(name, takes, means, _NS + (local or name.removeprefix("t:")))


SECTIONS = (
    Section(
        "agreement",
        "Agreement and offer",
        "The document itself. An offer has the status offered and names the tier it is made to.",
        (
            _odrl("uid", "a URN", "The name of the agreement; all its versions share it."),
            _odrl("profile", PROFILE, "This profile."),
            _own("version", "1, 2, 3 …", "The version of the text; a changed text has a new one."),
            _own("status", "offered applied active suspended revoked expired", "Where the agreement stands."),
            Term("title", "texts by language", "What people call it.", "http://purl.org/dc/terms/title"),
            _own("domain", "a domain's name", "The one domain that the agreement is about."),
            _odrl("assigner", "a party's URN", "Who gives the permission."),
            _odrl(
                "assignee",
                "a party's URN, or tier:public tier:resident tier:vendor tier:startup tier:researcher "
                "tier:department tier:oversight tier:steward tier:service",
                "Who gets it: one party, or everybody of a tier.",
            ),
            _own("valid", "{from, until}", "From when until when, the last moment not included."),
            _own("assessment", "a URN", "The impact assessment that it rests on, where the domain demands one."),
            _odrl("permission", "rules", "What may be done."),
            _odrl("prohibition", "rules without duties", "What may not be done, whichever agreement permits it."),
        ),
    ),
    Section(
        "rule",
        "Rule",
        "A permission or a prohibition.",
        (
            _odrl("action", "one or more actions", "What is done."),
            _odrl("target", "the members of a target", "With which data; without one, all of the domain."),
            _odrl("constraint", "a list", "When the rule holds; all of them must."),
            _odrl("duty", "a list", "What is owed for the use; of permissions alone."),
        ),
    ),
    Section(
        "action",
        "Actions",
        "What may be done with the data.",
        (
            _odrl("read", "", "Read what is current."),
            _own("temporal", "", "Read the history."),
            _odrl("aggregate", "", "Have totals and averages computed."),
            _own("subscribe", "", "Be notified of changes."),
            _own("export", "", "Take copies in bulk."),
            _own("publish", "", "Write the data, through the feeds that the target names."),
            _odrl("delete", "", "Delete the data."),
            _own("register", "", "Register other sources of the data."),
            _own("tenant", "", "See to the space the data are kept in."),
            _own("manage", "", "See to the agreements about the data: what stewards do."),
        ),
    ),
    Section(
        "target",
        "Target",
        "The asset: a query in NGSI-LD's own terms. Every member narrows it.",
        (
            _own("types", "names", "Entities of these types; of the agreement's domain, and no others."),
            _own("attrs", "{only} or {except}", "These attributes, or all but these."),
            _own("q", "a query (CIM 009, 4.9)", "Entities for which it holds, on all their attributes."),
            _own("scopeQ", "a scope query (CIM 009, 4.19)", "Entities in these scopes."),
            _own("area", "a GeoJSON Polygon or MultiPolygon", "Entities whose location lies within."),
            _own(
                "window",
                "{from, to} or {max_age}",
                "Histories show observations of this time; others answer as if not there. It narrows temporal and "
                "aggregate alone: what is current, and what may be published or deleted, also of a history, it leaves.",
            ),
            _own("resolution", "{time} and {metres}", "No finer than this: one value for each duration, a grid."),
            _own("aggregate_only", "true", "Totals and averages, never one by one.", "aggregateOnly"),
            _own("sources", "URNs of registrations", "Data of these other sources too."),
            _own("feeds", "names of feeds", "What may be published, for the action publish."),
        ),
    ),
    Section(
        "constraint",
        "Constraints",
        "When a rule holds: a leftOperand, an operator and a rightOperand.",
        (
            _odrl(
                "purpose",
                "isA, eq, isAnyOf, isNoneOf with DPV purposes",
                "The request's purpose. A narrower purpose counts as the broader one, by the hierarchy of DPV; eq is "
                "that purpose alone.",
            ),
            _own("t:role", "eq, isAnyOf with roles", "The caller has the role in its token."),
            _odrl("dateTime", "lt, lteq, gt, gteq with a time and its zone", "The time of the request."),
        ),
    ),
    Section(
        "duty",
        "Duties",
        "What is owed: an action and its value.",
        (
            _odrl("attribute", "a text", "Name the source so; where it is named is shown within 30 days."),
            _own("t:quota", "10000/P1D", "No more requests in a period; beyond, requests are refused until the next."),
            _own("t:rate", "50/PT1S", "No faster than this; beyond, the answer is 429 with Retry-After."),
            _own("t:deleteAfter", "P30D", "Delete what was taken after this time, and confirm it."),
            _own("t:reportBenefit", "P1Y", "Report as often as this what came of the use."),
        ),
    ),
)


def _terms() -> Iterator[Mapping[str, Any]]:
    for section in SECTIONS:
        for term in section.terms:
            yield {
                "@id": term.iri,
                "name": term.name,
                "section": section.name,
                **({"takes": term.takes} if term.takes else {}),
                "definition": term.means,
            }


def document(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Write the profile as JSON-LD, with the JSON schema that an agreement must follow."""
    return {
        "@context": {
            "@vocab": "http://www.w3.org/2004/02/skos/core#",
            "name": "notation",
            "section": _NS + "section",
            "takes": _NS + "takes",
            "terms": {"@id": "hasTopConcept", "@container": "@set"},
            "profileOf": {"@id": "http://www.w3.org/ns/dx/prof/isProfileOf", "@type": "@id"},
            "schema": {"@id": _NS + "schema", "@type": "@json"},
            "contexts": _NS + "contexts",
            "title": "http://purl.org/dc/terms/title",
        },
        "@id": PROFILE,
        "@type": "http://www.w3.org/ns/dx/prof/Profile",
        "title": "Agreements about city data",
        "profileOf": "http://www.w3.org/ns/odrl/2/",
        "contexts": [ODRL, TRUST],
        "terms": list(_terms()),
        "schema": dict(schema),
    }
