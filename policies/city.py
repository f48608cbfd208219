"""The city folder as the trust reads it: `city.yaml`, `context.jsonld`, `domains/`, `agreements/` (CONTRACTS 10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from policies import purposes
from policies.agreements.admission import Admitted, admit, domain_types
from policies.agreements.terms import ContextError, Terms, read_context
from policies.caller import TIERS
from policies.domains import CityFileError, Domain, Text, complaints, load_all

__all__ = ["City", "CityFolder", "Client", "Tenant", "open_city"]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tenant(_Closed):
    """A tenant of the city: data of its own, seen by nobody else."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    title: Text


class Client(_Closed):
    """A client of the development issuer, whose tokens carry these claims; its secret is made locally."""

    party: str
    tier: str
    roles: list[str] = Field(default_factory=list)
    purposes: list[str] = Field(default_factory=list)


class City(_Closed):
    """`city.yaml`. `parties` gives the names of those that domains, agreements and clients speak of."""

    name: str = Field(min_length=1)
    languages: list[str] = Field(min_length=1)
    time_zone: str
    tenants: list[Tenant] = Field(min_length=1)
    parties: dict[str, str] = Field(min_length=1)
    clients: dict[str, Client] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CityFolder:
    """A city folder, read and checked."""

    folder: Path
    city: City
    terms: Terms
    domains: Mapping[str, Domain]

    def types(self, domain: Domain) -> list[str]:
        """Give the IRIs of the domain's types."""
        return domain_types(domain, self.terms)

    def agreements(self) -> list[Admitted]:
        """Read and admit `agreements/*.jsonld`, in order of their file names."""
        files = sorted((self.folder / "agreements").glob("*.jsonld"))
        if not files:
            raise CityFileError(f"{self.folder / 'agreements'}: holds no *.jsonld")
        admitted = [(path, self.agreement(path)) for path in files]
        seen: dict[str, Path] = {}
        for path, item in admitted:
            other = seen.setdefault(item.agreement.uid, path)
            if other != path:
                raise CityFileError(f"{path}: uid: is also that of {other}")
        return [item for _, item in admitted]

    def agreement(self, path: Path) -> Admitted:
        """Read and admit one agreement file; its parties must be the city's."""
        admitted = admit(path, self.domains, self.terms)
        for member in ("assigner", "assignee"):
            party = getattr(admitted.agreement, member)
            if party.startswith("tier:"):
                if party[5:] not in TIERS:
                    raise CityFileError(f"{path}: {member}: {party[5:]!r} is no tier")
            elif party not in self.city.parties:
                raise CityFileError(f"{path}: {member}: {party} is not among the parties of city.yaml")
        return admitted


def open_city(folder: Path) -> CityFolder:
    """Read a city folder; raises CityFileError naming file, member and remedy."""
    city = _city(folder / "city.yaml")
    try:
        terms = read_context("context.jsonld", folder)
    except ContextError as error:
        raise CityFileError(f"{folder / 'context.jsonld'}: {error}") from error
    domains = {domain.name: domain for domain in load_all(folder / "domains")}
    tenants = {tenant.name for tenant in city.tenants}
    for domain in domains.values():
        _check_domain(folder / "domains" / f"{domain.name}.yaml", domain, city, terms, tenants)
    return CityFolder(folder, city, terms, domains)


def _city(path: Path) -> City:
    try:
        city = City.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise CityFileError(f"{path}: cannot be read: {error}") from error
    except ValidationError as error:
        raise complaints(error, str(path)) from error
    for name, client in city.clients.items():
        if client.party not in city.parties:
            raise CityFileError(f"{path}: clients.{name}.party: {client.party} is not among the parties")
        if client.tier not in TIERS:
            raise CityFileError(f"{path}: clients.{name}.tier: must be one of {', '.join(sorted(TIERS))}")
        for purpose in client.purposes:
            if not purposes.known(purposes.iri(purpose)):
                raise CityFileError(f"{path}: clients.{name}.purposes: {purpose} is no purpose of DPV")
    return city


def _check_domain(path: Path, domain: Domain, city: City, terms: Terms, tenants: set[str]) -> None:
    if domain.tenant not in tenants:
        raise CityFileError(f"{path}: tenant: {domain.tenant} is not among the tenants of city.yaml")
    for member in ("owner", "steward"):
        party = getattr(domain, member)
        if party is not None and party not in city.parties:
            raise CityFileError(f"{path}: {member}: {party} is not among the parties of city.yaml")
    for member, names in (("types", domain.types), ("subject", [domain.subject] if domain.subject else [])):
        for name in names:
            try:
                terms.expand(name)
            except ContextError as error:
                raise CityFileError(f"{path}: {member}: {error}") from error
