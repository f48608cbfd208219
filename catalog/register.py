"""The register of algorithms and AI: entries by the Algorithmic Transparency Standard 0.3.1, and what the city adds.

An entry is a file of the city folder, `systems/<id>.yaml`: `registration` holds the standard's own members, unchanged,
so that it can be handed to any register that reads the standard; around it stands what joins it to this platform: the
party that the system reads data as, the domains that it reads, its bias tests and its monitoring.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import orjson
import yaml
from pydantic import UUID4 as Uuid
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, ValidationError, field_validator

from policies import purposes
from policies.domains import CityFileError, complaints

__all__ = ["Check", "Registration", "System", "read_systems", "registration_schema", "system_schema"]

Text: TypeAlias = Annotated[str, Field(min_length=1)]

_AREAS = Literal[
    "taxes",
    "housing, living and living environment",
    "culture, sports and leisure",
    "defence",
    "economy and entrepreneurship",
    "family, youth and households",
    "finance",
    "generic",
    "health and health care",
    "immigration and integration",
    "international collaboration and development aid",
    "agriculture, nature and food",
    "environment, spacial planning and water",
    "education and science",
    "public safety",
    "government",
    "justice",
    "travel, living and working abroad",
    "subsidies, benefits and allowances",
    "traffic and transportation",
    "work and career",
]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Registration(_Closed):
    """The members of the Algorithmic Transparency Standard 0.3.1 (Eurocities), by its names."""

    standard_version: Literal["0.3.1"]
    uuid: Uuid | None = None
    lang: str = Field(pattern=r"^[a-z]{2}$")
    publication_date: date
    last_change_date: date
    revision_date: date
    revision_note: str | None = None
    keywords: str | None = None

    name: Text
    organization: Text
    department: Text
    country: Text
    contact_email: str = Field(pattern=r"^\S+@\S+$", json_schema_extra={"format": "email"})
    contact_phone: str | None = None
    contact_name: str | None = None
    description_short: str = Field(min_length=1, max_length=150)
    website: HttpUrl | None = None
    status: Literal["planned", "design", "development", "pilot", "evaluation", "operational", "retired"]
    remark: str | None = None

    decision_making_process: Text
    domain: _AREAS
    area: Text
    goal: Text
    impact: Text
    risks: Text
    risk_category: Literal["minimal risk", "limited risk", "high risk", "unacceptable"]
    proportionality: Text
    lawful_basis: Text
    documentation: HttpUrl | None = None

    training_data: Text
    source_data: Text
    data_bias: str | None = None
    connected_data_sources: Text
    DPIA_description: str | None = None
    DPIA_url: HttpUrl | None = None

    description: str | None = Field(default=None, min_length=500, max_length=10_000)
    algorithm_type: Literal["self-learning", "rule-based", "hybrid"]
    methods_and_models: str | None = None
    performance: str | None = None
    alternatives_considered: str | None = None
    product_information: HttpUrl | None = None
    codebase_url: HttpUrl | None = None
    product_page: HttpUrl | None = None
    AIA_description: str | None = None
    AIA_url: HttpUrl | None = None

    type: Literal["descriptive", "diagnostic", "predictive", "prescriptive"]
    monitoring: Text
    human_intervention: Text
    objection_procedure: Text
    rollback: str | None = None


class Check(_Closed):
    """One bias test or one look of the monitoring: when, by what method, what was found, and whether it was good."""

    date: date
    method: Text
    result: Text
    passed: bool
    report: HttpUrl | None = None


class System(_Closed):
    """An entry of the register."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    owner: str = Field(pattern=r"^urn:\S+$")
    party: str | None = Field(default=None, pattern=r"^urn:\S+$", description="the party that it reads data as")
    purpose: str
    reads: list[str] = Field(min_length=1, description="the data domains that it reads")
    appeal: str = Field(pattern=r"^(mailto:\S+@\S+|https?://\S+)$", description="where people appeal")
    bias_tests: list[Check] = Field(default_factory=list)
    monitoring: list[Check] = Field(default_factory=list)
    registration: Registration

    @field_validator("purpose")
    @classmethod
    def _known(cls, purpose: str) -> str:
        if not purposes.known(purposes.iri(purpose)):
            raise ValueError(f"{purpose} is no purpose of DPV; see ontologies/vocab/dpv-purposes.ttl")
        return purpose


def read_systems(folder: Path, domains: frozenset[str], parties: frozenset[str]) -> list[System]:
    """Read `systems/*.yaml` of a city folder. Raises CityFileError naming file and member."""
    found = []
    for path in sorted((folder / "systems").glob("*.yaml")):
        try:
            system = System.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (OSError, yaml.YAMLError) as error:
            raise CityFileError(f"{path}: cannot be read: {error}") from error
        except ValidationError as error:
            raise complaints(error, str(path)) from error
        if system.id != path.stem:
            raise CityFileError(f"{path}: id: must be {path.stem!r}, as the file is called")
        if strange := sorted(set(system.reads) - domains):
            raise CityFileError(f"{path}: reads: {', '.join(strange)} is no domain of the city")
        if strange := sorted({p for p in (system.owner, system.party) if p} - parties):
            raise CityFileError(f"{path}: {', '.join(strange)} is not among the parties of city.yaml")
        found.append(system)
    return found


def _schema(model: type[BaseModel], name: str) -> bytes:
    document: dict[str, Any] = model.model_json_schema()
    document |= {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://datapolis.example/schemas/{name}.json",
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SORT_KEYS)


def registration_schema() -> bytes:
    """The schema of what an entry says by the standard: also the form's model."""
    return _schema(Registration, "algorithm-registration")


def system_schema() -> bytes:
    """The schema of a file of `systems/`: also the form's model."""
    return _schema(System, "system")
