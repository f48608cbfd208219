"""The data domain: the one place that says what a domain is (CONTRACTS 7), and the city's files of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from policies.agreements.odrl import Name
from policies.durations import Duration
from policies.purposes import iri, known

__all__ = ["CityFileError", "Domain", "Retention", "TargetValue", "complaints", "load", "load_all"]

Text: TypeAlias = Annotated[dict[str, str], Field(min_length=1)]


class CityFileError(ValueError):
    """A file of the city folder is not right; the text names file, member and remedy, one line for each fault."""


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Retention(_Closed):
    """How long what is kept: current state, history, raw records (days), audit records."""

    state: Duration
    history: Duration
    raw_days: int = Field(default=7, ge=0, le=3650)
    audit: Duration


class TargetValue(_Closed):
    """The value (0..1) that a quality dimension must reach, and why that one."""

    value: float = Field(ge=0, le=1)
    reason: str = Field(min_length=1)


class Domain(_Closed):
    """What a city declares of one data domain. Owner and steward may be missing: readiness then says so."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    title: Text
    description: Text | None = None
    owner: str | None = Field(default=None, pattern=r"^urn:\S+$")
    steward: str | None = Field(default=None, pattern=r"^urn:\S+$")
    contact: str | None = None
    tenant: str = Field(default="default", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    types: list[Name] = Field(min_length=1)
    classification: Literal["open", "internal", "personal", "sensitive"]
    subject: Name | None = None
    purposes: list[str] = Field(default_factory=list)
    licence: str | None = Field(default=None, pattern=r"^https?://\S+$")
    theme: str | None = None
    four_eyes: bool = False
    retention: Retention | None = None
    targets: dict[Literal["completeness", "timeliness", "validity", "uniqueness"], TargetValue] = Field(
        default_factory=dict
    )
    freshness: Duration | None = None
    shapes: list[str] = Field(default_factory=list)

    @field_validator("purposes")
    @classmethod
    def _known(cls, purposes: list[str]) -> list[str]:
        for purpose in purposes:
            if not known(iri(purpose)):
                raise ValueError(f"{purpose} is no purpose of DPV; see ontologies/vocab/dpv-purposes.ttl")
        return purposes


def complaints(error: ValidationError, file: str, hints: Mapping[str, str] | None = None) -> CityFileError:
    """Put a validation error into words: file, member, fault; `hints` say what to write for a member instead."""
    lines = []
    for fault in error.errors(include_url=False, include_input=False):
        member = ".".join(str(part) for part in fault["loc"]) or "document"
        unknown = fault["type"] == "extra_forbidden"
        instead = (hints or {}).get(member)
        remedy = f"not part of the profile; {instead}" if instead else "unknown member; remove or correct it"
        lines.append(f"{file}: {member}: {remedy if unknown else fault['msg']}")
    return CityFileError("\n".join(lines))


def _read(path: Path) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise CityFileError(f"{path}: cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise CityFileError(f"{path}: must be a mapping of members")
    return document


def load(path: Path) -> Domain:
    """Read one domain file; raises CityFileError naming every faulty member."""
    try:
        domain = Domain.model_validate(_read(path))
    except ValidationError as error:
        raise complaints(error, str(path)) from error
    if domain.name != path.stem:
        raise CityFileError(f"{path}: name: must be {path.stem!r}, as the file is called")
    return domain


def load_all(folder: Path) -> list[Domain]:
    """Read `domains/*.yaml` of a city folder, in order of their names; a type may stand in one domain per tenant."""
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise CityFileError(f"{folder}: holds no *.yaml")
    domains = [load(path) for path in files]
    taken: dict[tuple[str, str], str] = {}
    for domain in domains:
        for name in domain.types:
            other = taken.setdefault((domain.tenant, name), domain.name)
            if other != domain.name:
                raise CityFileError(
                    f"{folder / domain.name}.yaml: types: {name} already belongs to domain {other} in tenant "
                    f"{domain.tenant}"
                )
    return domains
