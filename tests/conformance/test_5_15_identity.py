"""Context Source Identity Information (CIM 009 V1.9.1, 5.15.1, 5.2.40, 6.33)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from broker.ops.identity import duration
from tests.fixtures.broker import Api, BrokerProcess

PATH = "/info/sourceIdentity"
CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"


async def test_says_who_answers(api: Api) -> None:
    await api.post("/entities", {"id": "urn:x:1", "type": "T"})
    answer = await api.get(PATH)
    body = answer.json
    assert (answer.status, body["type"]) == (200, "ContextSourceIdentity")
    assert body.keys() == {"id", "type", "contextSourceAlias", "contextSourceUptime", "contextSourceTimeAt"}
    assert re.fullmatch(r"urn:ngsi-ld:ContextSource:[0-9a-f]{16}", body["id"])
    assert re.fullmatch(r"P(\d+D)?(T(\d+H)?(\d+M)?(\d+S)?)?", body["contextSourceUptime"])
    assert abs(datetime.now(UTC) - datetime.fromisoformat(body["contextSourceTimeAt"])) < timedelta(seconds=30)
    assert answer.headers["Link"].startswith(f"<{CORE}>")
    linked = await api.get(PATH, Accept="application/ld+json")
    assert (linked.json["@context"], linked.json["id"]) == (CORE, body["id"])
    assert "Link" not in linked.headers


async def test_the_alias_is_stable_and_of_one_tenant(api: Api, open_broker: BrokerProcess) -> None:
    other = Api(api.http, open_broker.url, f"t{uuid4().hex[:12]}")
    for one in (api, other):
        await one.post("/entities", {"id": "urn:x:1", "type": "T"})
    found = [(await one.get(PATH)).json for one in (api, other, api)]
    assert [one["contextSourceAlias"] for one in found[::2]] == [found[0]["contextSourceAlias"]] * 2
    assert found[0]["contextSourceAlias"] != found[1]["contextSourceAlias"]
    assert found[0]["id"] != found[1]["id"]


async def test_a_tenant_that_nobody_made_has_one_and_stays_unmade(api: Api) -> None:
    assert (await api.get(PATH)).json["type"] == "ContextSourceIdentity"
    gone = await api.get("/types")
    assert gone.json["type"] == "https://uri.etsi.org/ngsi-ld/errors/NonexistentTenant"
    assert (await api.call("POST", PATH, {})).status == 405


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (timedelta(), "PT0S"),
        (timedelta(seconds=61), "PT1M1S"),
        (timedelta(days=1), "P1D"),
        (timedelta(days=2, hours=3, seconds=4, milliseconds=5), "P2DT3H4S"),
    ],
)
def test_durations(passed: timedelta, text: str) -> None:
    assert duration(passed) == text
