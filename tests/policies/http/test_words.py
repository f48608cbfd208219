"""Agreements as people read them."""

from __future__ import annotations

from typing import Any

import pytest

from policies.caller import TIERS
from policies.http.pages import BOOK
from policies.http.words import Clause, Deal, Status, deal, licence, listed, named, status

DPV = "https://w3id.org/dpv#"
NS = "https://city.example/ns#"


def agreement(*rules: dict[str, Any], **changes: Any) -> dict[str, Any]:
    given = {
        "uid": "urn:agreement:one",
        "version": 3,
        "status": "active",
        "title": {"en": "One"},
        "domain": "mobility",
        "assignee": "urn:party:vendor",
        "valid": {"from": "2026-01-01T00:00:00Z", "until": "2028-03-31T00:00:00Z"},
        "permission": list(rules),
        "prohibition": [],
    }
    return given | changes


def rule(*constraints: dict[str, Any], duty: dict[str, str] | None = None, **target: Any) -> dict[str, Any]:
    owed = [{"kind": kind, "value": value} for kind, value in (duty or {}).items()]
    return {"action": ["read"], "target": target, "constraint": list(constraints), "duty": owed}


def constraint(left: str, operator: str, right: object) -> dict[str, Any]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


def clause(given: dict[str, Any]) -> Clause:
    [found] = deal(agreement(given), {}).clauses
    return found


def test_an_agreement_in_full() -> None:
    """Names instead of URNs, words instead of IRIs, in an order that people expect."""
    permission = {
        "action": ["subscribe", "read"],
        "target": {
            "types": [NS + "AirQualityObserved", NS + "service_requests"],
            "attrs": {"except": [NS + "batteryLevel"]},
        },
        "constraint": [constraint("purpose", "isA", DPV + "ServiceProvision")],
        "duty": [{"kind": "quota", "value": "1000000/P1D"}],
    }
    forbidden = {"action": ["read"], "target": {"attrs": {"only": [NS + "fleetVehicleId"]}}}
    found = deal(agreement(permission, prohibition=[forbidden]), {"urn:party:vendor": "RideFlow"})
    assert found == Deal(
        "urn:agreement:one",
        "One",
        3,
        "mobility",
        "RideFlow",
        False,
        Status("In force", True),
        "1 January 2026",
        "31 March 2028",
        (
            Clause(
                "read what is current and be notified of changes",
                "air quality observed and service requests",
                "everything but battery level",
                "service provision",
                (),
                ("At most 1,000,000 requests in every day.",),
            ),
        ),
        (Clause("read what is current", "", "fleet vehicle id", "any purpose", (), ()),),
    )


@pytest.mark.parametrize(
    ("constraints", "said"),
    [
        ([], "any purpose"),
        ([constraint("purpose", "eq", DPV + "Marketing")], "marketing"),
        ([constraint("purpose", "isAnyOf", [DPV + "A", DPV + "ScientificResearch"])], "a or scientific research"),
        (
            [constraint("purpose", "isNoneOf", [DPV + "Marketing", DPV + "Sale"])],
            "any purpose except marketing and sale",
        ),
        (
            [constraint("purpose", "isA", DPV + "Sale"), constraint("purpose", "isNoneOf", [DPV + "Marketing"])],
            "sale; and any purpose except marketing",
        ),
    ],
)
def test_purposes(constraints: list[dict[str, Any]], said: str) -> None:
    """Each operator so that what is left out cannot be taken for what is meant."""
    assert clause(rule(*constraints)).purposes == said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (rule(area={"type": "Polygon"}), "Only inside the area that the agreement draws."),
        (rule(q=f'<{NS}vehicleType>=="a;b"'), 'Only where vehicle type is "a;b".'),
        (rule(q=f"<{NS}speed>>=3;<{NS}level>!=2"), "Only where speed ≥ 3 and level is not 2."),
        (rule(scopeQ="/city/#"), "Only within /city/#."),
        (rule(aggregate_only=True), "Only as totals and averages, never one by one."),
        (rule(feeds=["a"]), "Only through the feed a."),
        (rule(feeds=["a", "b"]), "Only through the feeds a and b."),
        (rule(sources=["urn:x"]), "Only from urn:x."),
        (
            rule(window={"from": "2026-02-01T00:00:00Z"}),
            "Histories show only what was observed from 1 February 2026 on.",
        ),
        (rule(window={"to": "2026-02-01T00:00:00Z"}), "Histories show only what was observed before 1 February 2026."),
        (rule(window={"max_age": "P1Y6M"}), "Histories show only what is not older than 1 year and 6 months."),
        (rule(resolution={"time": "PT1H"}), "Only as one value for each hour."),
        (rule(resolution={"time": "PT15M"}), "Only as one value for each 15 minutes."),
        (rule(resolution={"metres": 500.0}), "Places only to the nearest 500 m."),
        (rule(constraint("role", "isAnyOf", ["a", "b"])), "Only in the role of a or b."),
        (rule(constraint("dateTime", "lt", "2027-01-01T00:00:00Z")), "Only before 1 January 2027."),
    ],
)
def test_limits(given: dict[str, Any], said: str) -> None:
    """What an agreement narrows is said, each kind of it."""
    assert clause(given).limits == (said,)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("rate", "50/PT1S", "At most 50 requests in every second."),
        ("quota", "10/P2D", "At most 10 requests in every 2 days."),
        ("attribution", "The city", "Name the source: “The city”."),
        ("delete_after", "P30D", "Delete what you took after 30 days."),
        ("report_benefit", "P1Y", "Report every year what came of it."),
    ],
)
def test_duties(kind: str, value: str, said: str) -> None:
    """What is owed in return."""
    assert clause(rule(duty={kind: value})).duties == (said,)


def test_parties_and_states() -> None:
    """Everybody, a tier, a party without a name; and an agreement that gives nothing any more."""
    assert deal(agreement(assignee="tier:public"), {}).party == "Everybody"
    assert deal(agreement(assignee="tier:vendor"), {}).party == "Every vendor"
    assert deal(agreement(), {}).party == "urn:party:vendor"
    assert [deal(agreement(status=name), {}).status for name in ("offered", "suspended", "revoked", "expired")] == [
        Status("Offered", False),
        Status("Suspended", False),
        Status("Revoked", False),
        Status("Ended", False),
    ]


def test_every_tier_and_state_in_spanish() -> None:
    """Each that an agreement can have has its words: none is shown by its name in the profile."""
    spanish = BOOK.language("es")
    assert {tier: deal(agreement(assignee=f"tier:{tier}"), {}, spanish).party for tier in TIERS} == {
        "public": "Todo el mundo",
        "resident": "Cada residente",
        "vendor": "Cada proveedor",
        "startup": "Cada empresa emergente",
        "researcher": "Cada investigador",
        "department": "Cada departamento",
        "oversight": "Cada órgano de supervisión",
        "steward": "Cada custodio",
        "service": "Cada servicio de la ciudad",
    }
    states = ("offered", "applied", "active", "amended", "suspended", "revoked", "expired", "refused", "withdrawn")
    assert [status(name, spanish).words for name in states] == [
        "Ofrecido",
        "En revisión",
        "En vigor",
        "Sustituido",
        "Suspendido",
        "Revocado",
        "Terminado",
        "Rechazado",
        "Retirado",
    ]


def test_names_and_lists() -> None:
    """The small words."""
    assert (named(DPV + "ServiceProvision"), named("urn:x:ThingOne"), named("CO")) == (
        "service provision",
        "thing one",
        "CO",
    )
    assert (listed([]), listed(["a"]), listed(["a", "b", "c"], last=" or ")) == ("", "a", "a, b or c")
    assert licence("https://creativecommons.org/licenses/by-sa/4.0/") == "CC BY-SA 4.0"
    assert licence("https://creativecommons.org/publicdomain/zero/1.0/") == "CC0 1.0"
    assert (licence("https://x.example/own"), licence(None)) == ("https://x.example/own", "not set")


def test_an_agreement_in_spanish() -> None:
    """The same agreement by the message catalog: clauses, limits, duties, numbers and days."""
    permission = {
        "action": ["read", "subscribe"],
        "target": {
            "types": [NS + "Vehicle"],
            "attrs": {"except": [NS + "batteryLevel"]},
            "q": f'<{NS}vehicleType>=="bus"',
            "feeds": ["buses", "trams"],
            "window": {"max_age": "P1M"},
            "resolution": {"time": "PT1H", "metres": 2500},
        },
        "constraint": [constraint("purpose", "isAnyOf", [DPV + "ServiceProvision", DPV + "ScientificResearch"])],
        "duty": [{"kind": "quota", "value": "1000000/P1D"}, {"kind": "delete_after", "value": "P1Y2M"}],
    }
    found = deal(agreement(permission, assignee="tier:vendor"), {}, BOOK.language("es"))
    assert (found.party, found.status, found.since, found.until) == (
        "Cada proveedor",
        Status("En vigor", True),
        "1 de enero de 2026",
        "31 de marzo de 2028",
    )
    assert found.clauses == (
        Clause(
            "leer lo actual y recibir avisos de cambios",
            "vehículo",
            "todo menos battery level",
            "prestación de servicios o investigación científica",
            (
                'Solo donde vehicle type es "bus".',
                "Solo a través de las fuentes buses y trams.",
                "El historial solo muestra lo que no tenga más de 1 mes.",
                "Solo como un valor por cada hora.",
                "Lugares solo con una precisión de 2.500 m.",
            ),
            ("Como máximo 1.000.000 peticiones por cada día.", "Borrar lo copiado después de 1 año y 2 meses."),
        ),
    )
