"""The benchmark of row 8 runs, and finds no difference on a small sample."""

from __future__ import annotations

from tests.bench.bench_jsonld import run


def test_a_small_run() -> None:
    found = run(documents=90, rounds=3, seed=4)
    assert found["different"] == 0
    assert found["documents"] == 90
    assert found["expand"]["low"] <= found["expand"]["ratio"] <= found["expand"]["high"]
    assert found["compact"]["ratio"] > 1
