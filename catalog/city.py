"""What the city's own folder says, in the catalog's terms: who it is, and what its domains declare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from catalog.dataset import Agent, DomainFacts
from catalog.harvest import PLATFORM
from policies import durations, purposes
from policies.city import CityFolder, open_city
from policies.domains import Domain

__all__ = ["City", "read_city"]


@dataclass(frozen=True, slots=True)
class City:
    """The city: its name, its languages (the first is the pages'), its parties by URN, and its domains in order.

    `machinery` are the parties that are services of the platform itself.
    """

    name: str
    languages: tuple[str, ...]
    parties: Mapping[str, str]
    domains: tuple[DomainFacts, ...]
    machinery: frozenset[str] = frozenset()

    @property
    def publisher(self) -> Agent:
        """The city itself."""
        return Agent("urn:party:city", self.name)

    def agent(self, party: str | None) -> Agent:
        """A party with its name; the city where none is named."""
        return Agent(party, self.parties.get(party, party)) if party else self.publisher


def read_city(folder: Path) -> City:
    """Read the city folder, without the platform's own domain. Raises policies.domains.CityFileError."""
    found = open_city(folder)
    domains = tuple(_facts(found, d) for d in found.domains.values() if d.tenant != PLATFORM)
    machinery = frozenset(c.party for c in found.city.clients.values() if c.tier == "service")
    return City(found.city.name, tuple(found.city.languages), found.city.parties, domains, machinery)


def _facts(city: CityFolder, domain: Domain) -> DomainFacts:
    """A declaration with its names expanded and its texts in the city's first language."""
    types = tuple(city.types(domain))
    names, languages = city.city.parties, city.city.languages
    return DomainFacts(
        domain.name,
        _text(domain.title, languages),
        _text(domain.description, languages) if domain.description else None,
        domain.tenant,
        types,
        domain.classification,
        tuple((iri, name) for iri, name in zip(types, domain.types, strict=True) if ":" not in name),
        domain.owner,
        names.get(domain.owner) if domain.owner else None,
        domain.steward,
        names.get(domain.steward) if domain.steward else None,
        domain.contact.removeprefix("mailto:") if domain.contact else None,
        domain.licence,
        domain.theme,
        tuple(purposes.iri(p) for p in domain.purposes),
        tuple((str(dimension), target.value) for dimension, target in domain.targets.items()),
        durations.parse(domain.freshness).total_seconds() if domain.freshness else None,
    )


def _text(texts: Mapping[str, str], languages: list[str]) -> str:
    return next((texts[language] for language in languages if language in texts), next(iter(texts.values())))
