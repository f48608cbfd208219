"""The schema of evidence is that of its model, and what `/readiness` publishes obeys it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import orjson
import pytest
import yaml

from catalog.portal.view import evidence_json
from catalog.readiness import Evidence
from catalog.schemas import documents, evidence_schema
from docker.local.stack import ROOT
from ontologies import load

AT = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
EVIDENCE = Evidence(
    domain="mobility",
    gate="freshness",
    value=3.2,
    target=30.0,
    unit="s",
    at=AT,
    expires=AT + timedelta(seconds=30),
    source="https://data.city.example/readiness/mobility",
    method="catalog.readiness:1",
    passed=True,
    reason="The newest record came 3 seconds ago; the objective is 30 seconds.",
)


def document(**changed: Any) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(orjson.dumps(evidence_json(EVIDENCE)))
    return {**found, **changed}


def validate(found: dict[str, Any]) -> None:
    schema = orjson.loads(evidence_schema())
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(found)


def test_the_file_is_up_to_date() -> None:
    assert load.schema_path("evidence").read_bytes() == evidence_schema()


@pytest.mark.parametrize("name", sorted(documents()))
def test_each_schema_is_written_and_valid(name: str) -> None:
    """The file is up to date, and is a schema."""
    assert load.schema_path(name.removesuffix(".json")).read_bytes() == documents()[name]
    jsonschema.Draft202012Validator.check_schema(orjson.loads(documents()[name]))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("systems/bus-arrivals.yaml", "system.json"),
        ("roadmap.yaml", "roadmap.json"),
        ("pilots/request-routing.yaml", "pilot.json"),
    ],
)
def test_the_sample_citys_files_obey_their_schemas(file: str, name: str) -> None:
    """As an editor with the schema would see them."""
    given = orjson.loads(orjson.dumps(yaml.safe_load((ROOT / "city" / file).read_text())))
    jsonschema.Draft202012Validator(orjson.loads(documents()[name])).validate(given)


def test_what_is_published_is_valid() -> None:
    validate(document())
    validate(document(value=None, target="set", **{"pass": False}))


@pytest.mark.parametrize("fault", [{"pass": "yes"}, {"extra": 1}, {"value": []}, {"reason": None}, {"gate": 4}])
def test_faults_are_refused(fault: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validate(document(**fault))


@pytest.mark.parametrize("member", sorted(document()))
def test_every_member_is_needed(member: str) -> None:
    found = document()
    del found[member]
    with pytest.raises(jsonschema.ValidationError):
        validate(found)
