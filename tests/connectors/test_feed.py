"""Feed declarations: the city's own are right, wrong ones are told by file and member."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connectors.__main__ import feed_schema
from connectors.errors import FeedError
from connectors.feed import load, load_all
from connectors.mapping import Mapper, mapping_hash
from connectors.names import load_names
from docker.local.stack import ROOT

CITY = ROOT / "city"
GOOD = (CITY / "feeds" / "valencia-air.yaml").read_text(encoding="utf-8")


def test_every_feed_of_the_city_compiles() -> None:
    names = load_names(CITY / "context.jsonld")
    feeds = load_all(CITY / "feeds", {})
    assert set(feeds) == {
        "kcm-vehicles", "lorawan-chirpstack", "lorawan-tts", "montreal-carshare", "nyc-311", "seattle-weather",
        "transit-live", "valencia-air",
    }  # fmt: skip
    for feed in feeds.values():
        shapes = (CITY / "shapes" / "environment.ttl").read_text(encoding="utf-8")
        assert Mapper(feed, names).hash == mapping_hash(feed, shapes if feed.domain == "environment" else "")
    assert {name: feed.domain for name, feed in feeds.items()}["nyc-311"] == "requests"


def test_schema_file_is_current() -> None:
    kept = json.loads((ROOT / "ontologies" / "schemas" / "feed.schema.json").read_text(encoding="utf-8"))
    assert kept == json.loads(json.dumps(feed_schema()))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: csv", "kind: xls", "decoder: Input tag 'xls'"),
        ("title:", "titel:", "titel: is not a member of a feed here"),
        ("key: \"'valencia-av-franca'\"\n", "", "key: Field required"),
        ("keep: [datetime", "keep: []\n  x: [datetime", "minimise.keep"),
        ("domain: environment", "domain: Environment", "domain: String should match"),
        ("no: {value: number(no), unitCode: GQ}", "no: {unitCode: GQ}", "no: needs either value"),
        ("feed: valencia-air", "feed: other", "the file is named 'valencia-air'"),
        ("requires: [DATAPOLIS_DATA]", "requires: [", "is not YAML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    path = tmp_path / "valencia-air.yaml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(FeedError) as caught:
        load(path, {})
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("so2: {value: number(so2)", "sulphur: {value: number(so2)", "'sulphur' is not in the city's context.jsonld"),
        (
            "so2: {value: number(so2), unitCode: GQ}",
            "so2: {value: number(so2), unitCode: XX}",
            "'XX' is no known",
        ),
        ("required: [location]", "required: [place]", "'place' is no attribute of the mapping"),
        ("so2: [0, 1000]", "so2: [1000, 0]", "the lower end 1000.0 is above the upper end 0.0"),
        ("time(datetime, 'iso', 'UTC')", "when(datetime)", "calls when(), which does not exist"),
    ],
)
def test_mistakes_of_meaning_are_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    path = tmp_path / "valencia-air.yaml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    feed = load(path, {})
    with pytest.raises(FeedError) as caught:
        Mapper(feed, load_names(CITY / "context.jsonld"))
    assert said in str(caught.value)
    assert str(caught.value).startswith("valencia-air: ")


def test_variables_and_availability(tmp_path: Path) -> None:
    path = CITY / "feeds" / "valencia-air.yaml"
    feed = load(path, {"DATAPOLIS_DATA": str(tmp_path)})
    assert feed.source.kind == "file"
    assert feed.source.path.startswith(str(tmp_path))
    assert feed.missing({"DATAPOLIS_DATA": str(tmp_path)}) is None
    assert feed.missing({}) == "DATAPOLIS_DATA is not set"
    assert "does not exist" in str(feed.missing({"DATAPOLIS_DATA": str(tmp_path / "gone")}))
    live = load(CITY / "feeds" / "transit-live.yaml", {})
    assert live.source.kind == "http"
    assert live.source.url.startswith("http://127.0.0.1:18091/")
    assert live.source.every == 5.0


def test_a_pollutant_named_no_stays_a_name() -> None:
    feed = load(CITY / "feeds" / "valencia-air.yaml", {})
    assert "no" in feed.mapping[0].attributes
    assert "no" in feed.minimise.keep
