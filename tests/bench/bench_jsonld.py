"""PERFORMANCE row 8: expansion and compaction as dictionary walks, against pyld, on the same random documents.

`python -m tests.bench.bench_jsonld [--documents N] [--rounds N]` prints the result; `run` gives it to `make bench`.
Each round expands and compacts one share of the documents with both, in shuffled order, and compares every answer.
Times are CPU time of this process, so that other load on the machine does not take part; the garbage collector rests
while they are taken (as in `timeit`), since it would walk the answers kept for comparison, which no server keeps.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from pyld import jsonld

from broker.ld.active import Active, _load
from broker.ld.compact import compact
from broker.ld.expand import expand
from ontologies import load
from tests.strategies.entities import CONTEXT, Maker

__all__ = ["FLOOR", "run"]

FLOOR = 20.0
_SEED = 20_261_122


def run(documents: int = 10_000, rounds: int = 9, seed: int = _SEED) -> dict[str, Any]:
    """Measure; the result has the ratio's median and range for each direction, and how many documents differed."""
    maker = Maker(seed)
    entities = [maker.entity(attributes=8) for _ in range(documents)]
    active = Active([CONTEXT], CONTEXT)
    options = {"documentLoader": _load}
    full = [CONTEXT, load.CORE_CONTEXT]

    def pyld_expand(entity: dict[str, Any]) -> Any:
        return jsonld.expand({**entity, "@context": full}, options)

    def pyld_compact(expanded: Any) -> Any:
        found = jsonld.compact(expanded, full, options)
        found.pop("@context", None)
        return found

    for entity in entities[:200]:  # both warm
        pyld_compact(pyld_expand(entity))
        compact(expand(entity, active), active)
    order = random.Random(seed)  # noqa: S311 - an order, no secret
    ratios: dict[str, list[float]] = {"expand": [], "compact": []}
    micros: dict[str, list[float]] = {"expand": [], "compact": []}
    different = {"expand": 0, "compact": 0}
    for number in range(rounds):
        share = entities[number::rounds]
        times, answers = _timed(order, share, {"pyld": pyld_expand, "ours": lambda entity: expand(entity, active)})
        _note("expand", times, answers, ratios, micros, different)
        times, answers = _timed(
            order, answers["pyld"], {"pyld": pyld_compact, "ours": lambda expanded: compact(expanded, active)}
        )
        _note("compact", times, answers, ratios, micros, different)
    return {
        "row": 8,
        "name": "expand and compact to pyld",
        "documents": documents,
        "rounds": rounds,
        "floor": FLOOR,
        "different": sum(different.values()),
        "expand": _summary(ratios["expand"], micros["expand"]),
        "compact": _summary(ratios["compact"], micros["compact"]),
    }


def _timed(
    order: random.Random, share: list[Any], ways: dict[str, Callable[[Any], Any]]
) -> tuple[dict[str, float], dict[str, list[Any]]]:
    """Run both ways over a share, in random order; return the seconds and the answers of each."""
    times: dict[str, float] = {}
    answers: dict[str, list[Any]] = {}
    for name in order.sample(sorted(ways), len(ways)):
        way = ways[name]
        gc.collect()
        gc.disable()
        started = time.process_time()
        answers[name] = [way(one) for one in share]
        times[name] = time.process_time() - started
        gc.enable()
    return times, answers


def _note(
    direction: str,
    times: dict[str, float],
    answers: dict[str, list[Any]],
    ratios: dict[str, list[float]],
    micros: dict[str, list[float]],
    different: dict[str, int],
) -> None:
    ratios[direction].append(times["pyld"] / times["ours"])
    micros[direction].append(times["ours"] / len(answers["ours"]) * 1e6)
    pairs = zip(answers["pyld"], answers["ours"], strict=True)
    different[direction] += sum(theirs != ours for theirs, ours in pairs)


def _summary(ratios: list[float], micros: list[float]) -> dict[str, float]:
    return {
        "ratio": round(statistics.median(ratios), 1),
        "low": round(min(ratios), 1),
        "high": round(max(ratios), 1),
        "us_per_document": round(statistics.median(micros), 1),
    }


def main() -> int:
    """Run from the command line; the exit code says whether the floors held and no document differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    found = run(given.documents, given.rounds)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    held = min(found["expand"]["ratio"], found["compact"]["ratio"]) >= FLOOR and not found["different"]
    return 0 if held else 1


if __name__ == "__main__":
    raise SystemExit(main())
