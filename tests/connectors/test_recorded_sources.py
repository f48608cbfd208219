"""Recorded data of city protocols, each by a declaration of tests/data/sources: exact counts, every rejection named.

`expected.json` holds, by feed, records, entities, different ids, rejections, and the first entity whole.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from connectors.feed import load
from tests.connectors.decoders.test_lorawan import DEVICES, NETWORKS
from tests.connectors.recorded_sources import SOURCES, declared, through

EXPECTED: dict[str, Any] = json.loads((SOURCES / "expected.json").read_text(encoding="utf-8"))
NO_DATA = "no recorded data (DATAPOLIS_DATA)"


def test_every_declaration_has_its_expectation() -> None:
    assert sorted(EXPECTED) == sorted(path.stem for path in (SOURCES / "feeds").glob("*.yaml"))


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_recorded_data(name: str, data: Path | None) -> None:
    if data is None:
        pytest.skip(NO_DATA)
    found = through(declared(SOURCES / "feeds" / f"{name}.yaml", data))
    wanted = EXPECTED[name]
    ids = {one["id"] for one in found.entities}
    assert (found.records, len(found.entities), len(ids)) == (wanted["records"], wanted["entities"], wanted["ids"])
    assert [list(one) for one in found.rejected] == wanted["rejected"]
    if wanted["first"] is not None:
        assert found.entities[0] == wanted["first"]


def test_uplinks_of_every_device_over_every_network(data: Path | None, tmp_path: Path) -> None:
    """100 uplinks: 96 stored; 4 carry a time that is none (2020-0327T..) and are refused."""
    if data is None:
        pytest.skip(NO_DATA)
    text = (SOURCES / "lorawan.yaml").read_text(encoding="utf-8")
    stored, rules = 0, Counter[tuple[str, str, str]]()
    for device, codec in DEVICES.items():
        for folder, network in NETWORKS.items():
            path = data / "lorawan_mqtt" / "lorawan" / device / folder
            if not path.is_dir():
                continue
            file = tmp_path / "lorawan.yaml"
            file.write_text(text.replace("NETWORK", network).replace("CODEC", codec))
            found = through(load(file, {"FOLDER": str(path)}))
            assert found.records == len(list(path.glob("payload*.json")))
            stored += len(found.entities)
            rules.update(one[1:] for one in found.rejected)
    assert (stored, dict(rules)) == (EXPECTED_UPLINKS, EXPECTED_REFUSED)


EXPECTED_UPLINKS = 96
EXPECTED_REFUSED = {("map", "time", "observedAt"): 4}
