"""Admission: files of the city in, decisions' form out; every fault is refused by file, member and remedy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.core.parse_q import parse_q
from policies.agreements.terms import ContextError, read_context
from policies.city import CityFolder, open_city
from policies.domains import CityFileError
from tests.policies.conftest import ROOT

TRANSPORT = "https://smartdatamodels.org/dataModel.Transportation/"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the sample city that a test may spoil."""
    shutil.copytree(ROOT / "city", tmp_path / "city")
    return tmp_path / "city"


def change(path: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))
    return path


def refusal(folder: Path, name: str, edit: Callable[[dict[str, Any]], object]) -> str:
    path = change(folder / "agreements" / f"{name}.jsonld", edit)
    with pytest.raises(CityFileError) as error:
        open_city(folder).agreement(path)
    text = str(error.value)
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


def target(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["permission"][0].setdefault("target", {})
    return found


def test_names_are_stored_in_full(city: CityFolder) -> None:
    path = ROOT / "city" / "agreements" / "uni-air-mobility.jsonld"
    body = city.agreement(path).body
    [permission] = body["permission"]
    assert permission["target"]["types"] == [TRANSPORT + "Vehicle"]
    assert permission["target"]["attrs"] == {
        "only": [
            "https://uri.etsi.org/ngsi-ld/location",
            TRANSPORT + "speed",
            TRANSPORT + "bearing",
            TRANSPORT + "vehicleRunningStatus",
        ]
    }
    assert permission["target"]["q"] == f'<{TRANSPORT}vehicleType>=="bus"'
    assert parse_q(permission["target"]["q"], str) == parse_q('vehicleType=="bus"', city.terms.expand)
    assert permission["constraint"] == [
        {
            "leftOperand": "purpose",
            "operator": "isAnyOf",
            "rightOperand": ["https://w3id.org/dpv#ScientificResearch", "https://w3id.org/dpv#AcademicResearch"],
        }
    ]
    assert permission["duty"] == [{"kind": "delete_after", "value": "P1Y"}]
    assert body["valid"] == {"from": "2026-01-01T00:00:00Z", "until": "2028-01-01T00:00:00Z"}


def test_without_types_it_is_the_domain(city: CityFolder) -> None:
    body = city.agreement(ROOT / "city" / "agreements" / "catalog-environment.jsonld").body
    assert body["permission"][0]["target"] == {"types": city.types(city.domains["environment"])}
    assert len(body["permission"][0]["target"]["types"]) == 3


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (lambda d: d.update(colour="red"), "colour: unknown member; remove or correct it"),
        (lambda d: target(d).update(colour="red"), "permission.0.target.colour: unknown member; remove or correct it"),
        (lambda d: target(d).update(attrs={"only": ["a"], "except": ["b"]}), "permission.0.target.attrs: Value error"),
        (lambda d: target(d)["types"].append("Train"), "permission.0.target.types: the name 'Train' is not defined"),
        (
            lambda d: target(d)["types"].append("ServiceRequest"),
            "permission.0.target.types: ServiceRequest is not a type of the agreement's domain",
        ),
        (lambda d: target(d).update(attrs={"only": ["spede"]}), "permission.0.target.attrs.only: the name 'spede'"),
        (lambda d: target(d).update(q="speed>>3"), "permission.0.target.q: "),
        (lambda d: target(d).update(q="speed>3)"), "permission.0.target.q: "),
        (lambda d: target(d).update(scopeQ="a//b"), "permission.0.target.scopeQ: "),
        (
            lambda d: target(d).update(area={"type": "Point", "coordinates": [1, 2]}),
            "permission.0.target.area: must be a GeoJSON Polygon or MultiPolygon, lon/lat",
        ),
        (
            lambda d: target(d).update(area={"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}),
            "permission.0.target.area: ",
        ),
        (lambda d: target(d).update(window={"max_age": "30 days"}), "permission.0.target.window.max_age: "),
        (lambda d: target(d).update(feeds=["x"]), "permission.0.target.feeds: belongs to the action publish"),
        (lambda d: d["permission"][0].update(action="steal"), "permission.0.action"),
        (
            lambda d: d["permission"][0]["constraint"][0].update(rightOperand="dpv:Profit"),
            "permission.0.constraint.0.rightOperand: dpv:Profit is no purpose of DPV",
        ),
        (
            lambda d: d["permission"][0]["constraint"][0].update(operator="gt"),
            "permission.0.constraint.0: Value error, purpose takes the operators isA, eq, isAnyOf, isNoneOf",
        ),
        (lambda d: d["permission"][0]["duty"][1].update(value="many"), "permission.0.duty.1: Value error, t:quota"),
        (lambda d: d.update(domain="space"), "domain: 'space' is not among environment, mobility, platform, requests"),
        (lambda d: d.update(assignee="urn:party:nobody"), "assignee: urn:party:nobody is not among the parties"),
        (lambda d: d.update(assignee="tier:emperor"), "assignee: Value error, 'emperor' is no tier"),
        (lambda d: d["valid"].update(until="2025-01-01T00:00:00Z"), "valid: Value error, `from` must be before"),
        (lambda d: d.update(permission=[]) or d.pop("prohibition"), "document: Value error, an agreement needs"),
        (lambda d: d["@context"].append("https://x.example/c.jsonld"), "@context: the @context https://x.example"),
        (lambda d: d["@context"].append("../../secret.json"), "@context: the @context ../../secret.json lies outside"),
    ],
)
def test_faults_are_refused(folder: Path, edit: Callable[[dict[str, Any]], object], text: str) -> None:
    assert refusal(folder, "rideflow-mobility", edit).startswith(text)


def test_a_filter_may_name_a_language(folder: Path) -> None:
    path = folder / "agreements" / "rideflow-mobility.jsonld"
    source = json.loads(path.read_text())
    source["permission"][0]["target"]["q"] = 'vehicleType[en]=="bus"'
    path.write_text(json.dumps(source))
    assert open_city(folder).agreement(path).body["permission"][0]["target"]["q"].endswith('=="bus"')
    source["permission"][0]["target"]["q"] = 'en=="bus"'
    path.write_text(json.dumps(source))
    with pytest.raises(CityFileError, match="'en' is not defined by the @context"):
        open_city(folder).agreement(path)


def test_every_fault_is_named(folder: Path) -> None:
    text = refusal(folder, "rideflow-mobility", lambda d: d.update(colour="red", version=0, uid="x"))
    assert [line.split(": ")[-2].strip() for line in text.splitlines()] == ["uid", "version", "colour"]


def test_two_agreements_of_one_uid(folder: Path) -> None:
    shutil.copy(folder / "agreements" / "public-mobility.jsonld", folder / "agreements" / "zz.jsonld")
    with pytest.raises(CityFileError, match=r"zz\.jsonld: uid: is also that of .*public-mobility\.jsonld"):
        open_city(folder).agreements()


@pytest.mark.parametrize(
    ("name", "old", "new", "text"),
    [
        ("mobility", "types: [Vehicle]", "types: [Train]", "types: the name 'Train' is not defined by the @context"),
        (
            "mobility",
            "owner: urn:party:mobility-dept",
            "owner: urn:party:x",
            "owner: urn:party:x is not among",
        ),
        ("mobility", "tenant: default", "tenant: other", "tenant: other is not among the tenants of city.yaml"),
        ("mobility", "freshness: PT30S", "freshness: 30s", "freshness: String should match pattern"),
        (
            "mobility",
            "purposes: [dpv:PublicBenefit",
            "purposes: [dpv:Profit",
            "purposes: Value error, dpv:Profit is no",
        ),
        ("mobility", "name: mobility", "name: traffic", "name: must be 'mobility', as the file is called"),
        ("mobility", "four_eyes: false", "for_eyes: false", "for_eyes: unknown member; remove or correct it"),
        (
            "requests",
            "types: [ServiceRequest]",
            "types: [Vehicle]",
            "types: Vehicle already belongs to domain",
        ),
    ],
)
def test_faulty_domains(folder: Path, name: str, old: str, new: str, text: str) -> None:
    path = folder / "domains" / f"{name}.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(CityFileError) as error:
        open_city(folder)
    assert str(error.value).startswith(f"{path}: {text}")


def test_city_file(folder: Path) -> None:
    path = folder / "city.yaml"
    good = path.read_text()
    for old, new, text in (
        ("tier: vendor", "tier: emperor", "clients.rideflow.tier: must be one of"),
        (
            "party: urn:party:uni-air",
            "party: urn:party:x",
            "clients.uni-air.party: urn:party:x is not among",
        ),
        ("languages: [en]", "languages: []", "languages: List should have at least 1 item"),
        ("dpv:Marketing", "dpv:Profit", "clients.rideflow.purposes: dpv:Profit is no purpose of DPV"),
    ):
        path.write_text(good.replace(old, new, 1))
        with pytest.raises(CityFileError) as error:
            open_city(folder)
        assert str(error.value).startswith(f"{path}: {text}")


def test_contexts() -> None:
    terms = read_context([{"ex": "https://ex.example/", "a": "ex:a", "b": {"@id": "https://b.example/b"}}], None)
    assert terms.expand("a") == "https://ex.example/a"
    assert terms.expand("b") == "https://b.example/b"
    assert terms.expand("https://c.example/c") == "https://c.example/c"
    assert terms.expand("location") == "https://uri.etsi.org/ngsi-ld/location"
    assert terms.expand("description") == "http://purl.org/dc/terms/description"
    for name in ("nowhere", "", "_:b0", "type", "a b"):
        with pytest.raises(ContextError, match="is not defined"):
            terms.expand(name)
    assert read_context([{"location": "https://x.example/l"}], None).expand("location").startswith("https://uri.etsi")
    for bad in ("file.jsonld", "/etc/passwd", 7, {"@base": "https://x.example/"}, {"x": 7}):
        with pytest.raises(ContextError):
            read_context(bad, None)
