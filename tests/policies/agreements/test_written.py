"""ODRL to agreement and back: nothing is lost, and what the profile cannot express is refused by name."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.agreements.admission import admit_document
from policies.agreements.odrl import PROFILE, Status
from policies.agreements.terms import ODRL, TRUST
from policies.agreements.written import written
from policies.caller import DPV, TIERS
from policies.city import CityFolder, open_city
from policies.decision import ACTIONS
from policies.domains import CityFileError
from tests.policies.conftest import ROOT

CITY = open_city(ROOT / "city")
TRANSPORT = "https://smartdatamodels.org/dataModel.Transportation/"
VEHICLE = TRANSPORT + "Vehicle"
ATTRS = tuple(TRANSPORT + name for name in ("speed", "bearing", "vehicleType", "fleetVehicleId"))
PURPOSES = tuple(DPV + name for name in ("ServiceProvision", "ScientificResearch", "Marketing", "PublicBenefit"))
DURATIONS = ("PT30S", "PT1H", "P1D", "P30D", "P1Y6M", "P2W")
TIMES = ("2026-01-01T00:00:00Z", "2026-06-30T12:34:56.789Z", "2027-12-31T23:59:59Z")
QUERIES = (
    f'<{TRANSPORT}vehicleType>=="bus"',
    f"<{TRANSPORT}speed>>=3.5",
    f'<{TRANSPORT}vehicleType>=="bus","tram";<{TRANSPORT}speed>==0..50',
    f"<{TRANSPORT}bearing>|<{TRANSPORT}speed><20",
)
SCOPES = ("/centre", "/centre/#", "/a/+/b|/c")
REST_ACTIONS = tuple(sorted(action for action in ACTIONS if action != "publish"))


def _squares() -> st.SearchStrategy[dict[str, Any]]:
    def square(x: int, y: int, size: int) -> dict[str, Any]:
        ring = [[x, y], [x + size, y], [x + size, y + size], [x, y + size], [x, y]]
        return {"type": "Polygon", "coordinates": [[[float(a), float(b)] for a, b in ring]]}

    return st.builds(square, st.integers(-170, 160), st.integers(-80, 70), st.integers(1, 9))


def _some(values: Sequence[str], most: int = 3) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=most, unique=True)


def _members(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


TARGETS = _members(
    {"types": st.just([VEHICLE])},
    {
        "attrs": st.builds(lambda member, names: {member: names}, st.sampled_from(("only", "except")), _some(ATTRS)),
        "q": st.sampled_from(QUERIES),
        "scopeQ": st.sampled_from(SCOPES),
        "area": _squares(),
        "window": st.one_of(
            st.just({"from": TIMES[0], "to": TIMES[1]}), st.sampled_from(DURATIONS).map(lambda d: {"max_age": d})
        ),
        "resolution": _members(
            {"time": st.sampled_from(DURATIONS)}, {"metres": st.floats(0.5, 5000, allow_nan=False, width=32)}
        ),
        "aggregate_only": st.booleans(),
        "sources": _some(("urn:ngsi-ld:ContextSourceRegistration:a", "urn:ngsi-ld:ContextSourceRegistration:b")),
    },
)
CONSTRAINTS = st.one_of(
    st.builds(
        lambda op, one: {"leftOperand": "purpose", "operator": op, "rightOperand": one},
        st.sampled_from(("isA", "eq")),
        st.sampled_from(PURPOSES),
    ),
    st.builds(
        lambda op, some: {"leftOperand": "purpose", "operator": op, "rightOperand": some},
        st.sampled_from(("isAnyOf", "isNoneOf")),
        _some(PURPOSES),
    ),
    st.just({"leftOperand": "t:role", "operator": "eq", "rightOperand": "steward:mobility"}),
    st.just({"leftOperand": "t:role", "operator": "isAnyOf", "rightOperand": ["a", "b"]}),
    st.builds(
        lambda op, at: {"leftOperand": "dateTime", "operator": op, "rightOperand": at},
        st.sampled_from(("lt", "lteq", "gt", "gteq")),
        st.sampled_from(TIMES),
    ),
)
DUTIES = st.one_of(
    st.just({"action": "attribute", "value": "Source: the city, «Département»"}),
    st.builds(
        lambda action, n, d: {"action": action, "value": f"{n}/{d}"},
        st.sampled_from(("t:quota", "t:rate")),
        st.integers(1, 10**12),
        st.sampled_from(DURATIONS),
    ),
    st.builds(
        lambda action, d: {"action": action, "value": d},
        st.sampled_from(("t:deleteAfter", "t:reportBenefit")),
        st.sampled_from(DURATIONS),
    ),
)
PERMISSIONS = _members(
    {"action": _some(REST_ACTIONS, 5).map(sorted), "target": TARGETS},
    {
        "constraint": st.lists(CONSTRAINTS, min_size=1, max_size=3),
        "duty": st.lists(DUTIES, min_size=1, max_size=3),
    },
)
PROHIBITIONS = _members(
    {"action": _some(REST_ACTIONS, 5).map(sorted), "target": TARGETS},
    {"constraint": st.lists(CONSTRAINTS, min_size=1, max_size=2)},
)
STATUSES: tuple[Status, ...] = ("offered", "applied", "active", "suspended", "revoked", "expired")


@st.composite
def agreements(draw: st.DrawFn) -> dict[str, Any]:
    """Any agreement that the profile can say, in the form in which it is written back."""
    status = draw(st.sampled_from(STATUSES))
    made: dict[str, Any] = {
        "@context": [ODRL, TRUST],
        "@type": "Offer" if status == "offered" else "Agreement",
        "uid": f"urn:datapolis:agreement:{draw(st.integers(1, 10**9))}",
        "profile": PROFILE,
        "version": draw(st.integers(1, 1000)),
        "status": status,
        "domain": "mobility",
        "assigner": "urn:party:city",
        "assignee": draw(st.sampled_from(["urn:party:rideflow", *(f"tier:{tier}" for tier in sorted(TIERS))])),
        "valid": {"from": TIMES[0], "until": draw(st.sampled_from(TIMES[1:]))},
    }
    optional = {
        "title": st.dictionaries(st.sampled_from(("en", "fr")), st.text(min_size=1, max_size=20), min_size=1),
        "assessment": st.just("urn:datapolis:assessment:1"),
        "permission": st.lists(PERMISSIONS, min_size=1, max_size=3),
        "prohibition": st.lists(PROHIBITIONS, min_size=1, max_size=2),
    }
    chosen = draw(_some(sorted(optional), 4))
    if not {"permission", "prohibition"} & set(chosen):
        chosen.append("permission")
    return made | {name: draw(optional[name]) for name in chosen}


def body_of(document: dict[str, Any]) -> dict[str, Any]:
    return admit_document(document, "the agreement", CITY.domains, CITY.terms, None).body


@settings(max_examples=250, deadline=None)
@given(agreements())
def test_round_trip_loses_nothing(document: dict[str, Any]) -> None:
    body = body_of(document)
    back = written(body, document["status"])
    assert back == document
    assert body_of(back) == body


@pytest.mark.parametrize("path", sorted((ROOT / "city" / "agreements").glob("*.jsonld")), ids=lambda path: path.stem)
def test_the_city_s_agreements_come_back_in_full_names(path: Any, city: CityFolder) -> None:
    admitted = city.agreement(path)
    again = admit_document(
        written(admitted.body, admitted.agreement.status), "the agreement", city.domains, city.terms, None
    )
    assert again.body == admitted.body


def refused(edit: Any) -> str:
    document: dict[str, Any] = {
        "@context": [ODRL, TRUST],
        "@type": "Agreement",
        "uid": "urn:x:a",
        "profile": PROFILE,
        "version": 1,
        "status": "active",
        "domain": "mobility",
        "assigner": "urn:party:city",
        "assignee": "urn:party:rideflow",
        "valid": {"from": TIMES[0], "until": TIMES[2]},
        "permission": [{"action": "read", "target": {"types": [VEHICLE]}}],
    }
    body_of(copy.deepcopy(document))
    edit(document)
    with pytest.raises(CityFileError) as error:
        body_of(document)
    return str(error.value)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda d: d.update(obligation=[]), "obligation: not part of the profile; write what is owed as `duty`"),
        (lambda d: d.update(conflict="perm"), "conflict: not part of the profile; a prohibition always wins"),
        (lambda d: d.update(inheritFrom="urn:x"), "inheritFrom: not part of the profile; write the agreement out"),
        (
            lambda d: d["permission"][0].update(constraint=[{"or": []}]),
            "permission.0.constraint.0.or: not part of the profile; write one permission for each alternative",
        ),
        (
            lambda d: d["permission"][0]["target"].update(refinement=[]),
            "permission.0.target.refinement: not part of the profile; write the narrower data as members of `target`",
        ),
        (
            lambda d: d["permission"][0].update(duty=[{"action": "attribute", "value": "x", "consequence": []}]),
            "permission.0.duty.0.consequence: not part of the profile; write a duty",
        ),
        (
            lambda d: d["permission"][0].update(colour="red"),
            "permission.0.colour: unknown member; remove or correct it",
        ),
        (
            lambda d: d.update(assignee="tier:king"),
            "assignee: Value error, 'king' is no tier; the tiers are department, oversight",
        ),
        (lambda d: d.update({"@type": "Offer"}), "an Offer has the status offered, and nothing else has"),
        (lambda d: d.update({"@type": "Set"}), "@type: Input should be 'Agreement' or 'Offer'"),
        (lambda d: d["permission"][0].update(action="print"), "permission.0.action"),
    ],
)
def test_what_the_profile_cannot_express_is_refused_by_name(edit: Any, said: str) -> None:
    assert said in refused(edit)
