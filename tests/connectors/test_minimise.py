"""Nothing undeclared gets through minimisation."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import FeedError, Rejected
from connectors.feed import Feed
from connectors.minimise import compile_minimiser

BASE: dict[str, Any] = {
    "feed": "x", "title": "x", "domain": "requests", "source": {"kind": "file", "path": "x"},
    "decoder": {"kind": "json"}, "key": "id",
    "mapping": [{"type": "T", "id": "id", "observedAt": "t", "attributes": {"name": "n"}}],
}  # fmt: skip


def _feed(**minimise: Any) -> Feed:
    return Feed.model_validate({**BASE, "minimise": minimise})


def test_keep_coarsen_hmac() -> None:
    run = compile_minimiser(
        _feed(
            keep=["id", "person", "where/lat", "born", "zip", "tags", "plain/*"],
            hmac=["person"],
            coarsen={"where/lat": {"decimals": 2}, "born": {"to": "year"}, "zip": {"chars": 3}},
        ),
        b"key",
    )
    record = {
        "id": 1, "person": "Ana", "where": {"lat": 39.46977, "lon": -0.37}, "born": "1990-05-06", "zip": "46001",
        "tags": ["a"], "plain": {"one": 1, "deep": {"two": 2}}, "secret": "s",
    }  # fmt: skip
    assert run(record) == {
        "id": 1,
        "person": hmac.new(b"key", b"Ana", hashlib.sha256).hexdigest(),
        "where": {"lat": 39.47},
        "born": "1990",
        "zip": "460",
        "tags": ["a"],
        "plain": {"one": 1},
    }


def test_objects_are_not_kept_whole() -> None:
    run = compile_minimiser(_feed(keep=["id", "nested", "list"]), None)
    assert run({"id": 1, "nested": {"secret": 1}, "list": [{"secret": 1}]}) == {"id": 1}


def test_text_numbers_stay_text() -> None:
    run = compile_minimiser(_feed(keep=["lat"], coarsen={"lat": {"decimals": 3}}), None)
    assert run({"lat": "40.656513"}) == {"lat": "40.657"}
    assert run({"lat": ""}) == {}


def test_a_value_that_cannot_be_coarsened_is_rejected() -> None:
    run = compile_minimiser(_feed(keep=["lat"], coarsen={"lat": {"decimals": 3}}), None)
    with pytest.raises(Rejected) as caught:
        run({"lat": "secret-place"})
    assert (caught.value.rejection.stage, caught.value.rejection.rule) == ("minimise", "coarsen")
    assert "secret-place" not in str(caught.value)


def test_hmac_needs_a_key() -> None:
    with pytest.raises(FeedError, match="needs the key of domain 'requests'"):
        compile_minimiser(_feed(keep=["p"], hmac=["p"]), None)


LEAF = st.text(alphabet="xyz0", max_size=4) | st.integers() | st.none()
TREES = st.dictionaries(
    st.sampled_from("abcde"),
    st.recursive(LEAF, lambda inner: st.dictionaries(st.sampled_from("abcde"), inner) | st.lists(inner)),
)


@settings(max_examples=200, deadline=None)
@given(TREES)
def test_only_declared_paths_remain(record: dict[str, Any]) -> None:
    kept = compile_minimiser(_feed(keep=["a", "b/c", "d/*"]), None)(record)
    assert set(kept) <= {"a", "b", "d"}
    below = kept.get("b", {})
    below = below if isinstance(below, list) else [below]
    assert all(set(one) <= {"c"} for one in below)
    text = json.dumps(kept)
    assert '"e":' not in text.replace(json.dumps(kept.get("d", {})), "")
    last = kept.get("d", {})
    for one in (kept.get("a"), *below, *(last if isinstance(last, list) else [last])):
        for value in one.values() if isinstance(one, dict) else (one,):
            assert not isinstance(value, dict)
