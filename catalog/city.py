"""What the city's own folder says, in the catalog's terms: who it is, and what its domains declare."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from catalog.dataset import Agent, DomainFacts, Origin
from catalog.harvest import PLATFORM
from policies import durations
from policies.agreements.lifecycle import domain_body
from policies.agreements.terms import ContextError
from policies.city import CityFolder, open_city
from policies.domains import CityFileError

__all__ = ["City", "facts", "read_city"]

_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader by libyaml where it is there: ten times as fast, and as safe."""


@dataclass(frozen=True, slots=True)
class City:
    """The city: its name, its languages (the first is the pages'), its parties by URN, and its domains in order.

    `machinery` are the parties that are services of the platform itself; `origins` are the feeds that it declares.
    """

    name: str
    languages: tuple[str, ...]
    parties: Mapping[str, str]
    domains: tuple[DomainFacts, ...]
    machinery: frozenset[str] = frozenset()
    origins: tuple[Origin, ...] = field(default=())

    @property
    def publisher(self) -> Agent:
        """The city itself."""
        return Agent("urn:party:city", self.name)

    def agent(self, party: str | None) -> Agent:
        """A party with its name; the city where none is named."""
        return Agent(party, self.parties.get(party, party)) if party else self.publisher

    def declared(self, bodies: Mapping[str, Mapping[str, Any]]) -> list[DomainFacts]:
        """The city's domains, in its order, as the trust has them in force; those not in force are left out."""
        return [
            facts(bodies[d.name], self.parties, self.languages, dict(d.terms)) for d in self.domains if d.name in bodies
        ]


def read_city(folder: Path) -> City:
    """The city folder, without the platform's own domain, read again only when one of its files has changed. Raises
    policies.domains.CityFileError."""
    stamp = _stamp(folder)
    kept = _KEPT_CITIES.get(folder)
    if kept is None or kept[0] != stamp:
        kept = _KEPT_CITIES[folder] = (stamp, _read(folder))
    return kept[1]


_KEPT_CITIES: dict[Path, tuple[frozenset[tuple[str, int, int]], City]] = {}


def _stamp(folder: Path) -> frozenset[tuple[str, int, int]]:
    """What tells one state of the files that are read here from another."""
    names = ("*.yaml", "*.jsonld", "domains/*.yaml", "feeds/*.yaml")
    try:
        found = [(path, path.stat()) for name in names for path in folder.glob(name)]
    except OSError as error:  # a file that went while it was looked at
        raise CityFileError(f"{folder}: cannot be read: {error}") from error
    return frozenset((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in found)


def _read(folder: Path) -> City:
    found = open_city(folder)
    city = found.city
    domains = tuple(
        facts(domain_body(found, d), city.parties, city.languages, dict(zip(found.types(d), d.types, strict=True)))
        for d in found.domains.values()
        if d.tenant != PLATFORM
    )
    machinery = frozenset(c.party for c in city.clients.values() if c.tier == "service")
    return City(city.name, tuple(city.languages), city.parties, domains, machinery, tuple(_origins(found)))


def facts(
    body: Mapping[str, Any], names: Mapping[str, str], languages: Sequence[str], terms: Mapping[str, str]
) -> DomainFacts:
    """A domain as the trust publishes it (names in full), with its texts in the first language that it has."""
    kept, fresh = body.get("retention") or {}, body.get("freshness")
    targets: Mapping[str, Any] = body.get("targets") or {}
    return DomainFacts(
        body["name"],
        _text(body["title"], languages),
        _text(body["description"], languages) if body.get("description") else None,
        body["tenant"],
        tuple(body["types"]),
        body["classification"],
        tuple((iri, terms[iri]) for iri in body["types"] if ":" not in terms.get(iri, ":")),
        body.get("owner"),
        names.get(body.get("owner") or ""),
        body.get("steward"),
        names.get(body.get("steward") or ""),
        (body.get("contact") or "").removeprefix("mailto:") or None,
        body.get("licence"),
        body.get("theme"),
        tuple(body.get("purposes") or ()),
        tuple((dimension, target["value"]) for dimension, target in targets.items()),
        durations.parse(fresh).total_seconds() if fresh else None,
        tuple((dimension, target["reason"]) for dimension, target in targets.items()),
        tuple(_kept(kept)),
    )


def _kept(rules: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is kept how long, as ISO 8601 durations."""
    found = [(label, rules[name]) for name, label in _KEPT.items() if rules.get(name)]
    raw = rules.get("raw_days")
    return [*found, ("raw records", f"P{raw}D")] if raw else found


_KEPT = {"state": "current state", "history": "history", "audit": "audit records"}


def _text(texts: Mapping[str, str], languages: Sequence[str]) -> str:
    return next((texts[language] for language in languages if language in texts), next(iter(texts.values())))


def _origins(city: CityFolder) -> list[Origin]:
    """The feeds that the city declares. How they are fetched and mapped is the connectors' to check."""
    return [_origin(city, path) for path in sorted((city.folder / "feeds").glob("*.yaml"))]


def _origin(city: CityFolder, path: Path) -> Origin:
    try:
        text = path.read_text(encoding="utf-8")
        given = yaml.load(text, Loader=_YAML)  # noqa: S506 - a safe loader
        mapping = given.get("mapping") or []
        kinds = [m["type"] for m in (mapping if isinstance(mapping, list) else [mapping])]
        types = [city.terms.expand(k) for kind in kinds for k in (kind if isinstance(kind, list) else [kind])]
        return Origin(
            given["feed"],
            given.get("title") or given["feed"],
            given["domain"],
            given["source"]["kind"],
            tuple(dict.fromkeys(types)),
            given.get("licence"),
            hashlib.sha256(text.encode()).hexdigest(),
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ContextError) as error:
        raise CityFileError(f"{path}: cannot be read as a feed ({error}); run connectors check {path.stem}") from error
