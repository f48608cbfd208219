"""PERFORMANCE rows 1 and 13: retrieve by id against a bare static answer, and governed against open.

One worker each, 64 connections of `wrk`, slices of one second in shuffled order. The static answer has the size of the
entity, comes from the same server with the same options, and is asked for with the same headers and paths. The governed
broker verifies a token, decides, masks and audits every answer; the open one serves the same database without policy,
audit on. Row filters are a `q` on the whole entity; the masked page adds an area and four visible attributes of twelve.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from tests.bench.buses import PAGE, city_of_buses, fill, ids_script
from tests.bench.environment import city_in_force, database, issuing, measured
from tests.bench.wrk import answer_bytes, bare_server, load, needed
from tests.fixtures.broker import broker_process

__all__ = ["run"]


def run(rounds: int = 9) -> list[dict[str, Any]]:
    """Measure rows 1 and 13."""
    needed()
    with ExitStack() as stack:
        found = stack.enter_context(database())
        issuer = stack.enter_context(issuing())
        folder = Path(stack.enter_context(TemporaryDirectory()))
        city = city_of_buses(folder)
        city_in_force(found, city)
        asyncio.run(fill(found))
        common = {"DATAPOLIS_OPA_URL": found.engines.opa, "DATAPOLIS_CITY": str(city), **issuer.environment()}
        governed = stack.enter_context(broker_process(found, common)).url
        opened = stack.enter_context(broker_process(found, {**common, "DATAPOLIS_ACCESS": "open"})).url
        script = ids_script(folder)

        def caller(party: str, tier: str, purpose: str) -> dict[str, str]:
            return {"Authorization": f"Bearer {issuer.token(party, tier)}", "Data-Purpose": purpose}

        department = caller("urn:party:mobility-dept", "department", "dpv:ServiceManagement")
        vendor = caller("urn:party:rideflow", "vendor", "dpv:ServiceProvision")
        researcher = caller("urn:party:uni-air", "researcher", "dpv:ScientificResearch")
        one = f"{governed}/ngsi-ld/v1/entities/urn:ngsi-ld:Vehicle:00001"
        size = len(answer_bytes(one, department))
        static = stack.enter_context(bare_server({"DATAPOLIS_BENCH_BYTES": str(size)}))
        ways: dict[str, tuple[str, Mapping[str, str], str | None]] = {
            "static": (static, department, str(script)),
            "retrieve": (governed, department, str(script)),
            "open": (opened, {}, str(script)),
            "filtered": (governed, vendor, str(script)),
            "open page": (opened + PAGE, {}, None),
            "filtered page": (governed + PAGE, vendor, None),
            "masked page": (governed + PAGE, researcher, None),
        }
        for name in ("open page", "filtered page", "masked page"):
            if len(orjson.loads(answer_bytes(ways[name][0], ways[name][1]))) != 100:
                raise RuntimeError(f"{name} is not a page of 100")
        return _rounds(ways, rounds, size)


def _rounds(
    ways: Mapping[str, tuple[str, Mapping[str, str], str | None]], rounds: int, size: int
) -> list[dict[str, Any]]:
    order = random.Random(20_261_122)  # noqa: S311 - an order, no secret
    rates: dict[str, list[float]] = {name: [] for name in ways}
    tails: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-1, rounds):
        for name in order.sample(sorted(ways), len(ways)):
            rate, tail = load(*ways[name])
            if number >= 0:
                rates[name].append(rate)
                tails[name].append(tail)

    def ratios(over: str, under: str) -> list[float]:
        return [a / b for a, b in zip(rates[over], rates[under], strict=True)]

    def note(names: Sequence[str]) -> str:
        return ", ".join(f"{name} {median(rates[name]):,.0f}/s p99 {median(tails[name]):.1f} ms" for name in names)

    return [
        measured(
            "1", f"retrieve ({size} B), token + policy + audit, 64 connections, 1 worker, to a bare static answer",
            ratios("retrieve", "static"), 0.30, 0.45, "55 % (no audit, filter or metrics)",
            note(("retrieve", "static")),
        ).result(),
        measured(
            "13a", "retrieve with row filter and audit, governed to open", ratios("filtered", "open"), 0.8, 0.9, "-",
            note(("filtered", "open")),
        ).result(),
        measured(
            "13b", "page of 100 with row filter and audit, governed to open", ratios("filtered page", "open page"),
            0.8, 0.9, "-", note(("filtered page", "open page")),
        ).result(),
        measured(
            "13c", "page of 100 with filter, mask and audit, governed to open", ratios("masked page", "open page"),
            0.35, 0.5, "-", note(("masked page", "open page")),
        ).result(),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(orjson.dumps(run(), option=orjson.OPT_INDENT_2).decode() + "\n")
