"""PERFORMANCE rows 1 and 13: retrieve by id against a bare static answer, and governed against open.

One worker each, 64 connections of `wrk`, slices of one second in shuffled order. The static answer has the size of the
entity, comes from the same server with the same options, and is asked for with the same headers and paths. The governed
broker verifies a token, decides, masks and audits every answer; the open one serves the same database without policy,
audit on. Row filters are a `q` on the whole entity; the masked page adds an area and four visible attributes of twelve.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from broker.core.patch import Change
from broker.store.pool import Pool
from broker.store.write import apply
from docker.local.stack import ROOT
from tests.bench.environment import city_in_force, database, issuing, measured
from tests.fixtures.broker import broker_process, free_port
from tests.fixtures.postgres import Database

__all__ = ["run"]

_COUNT = 10_000
_SCHEMA = "t_" + hashlib.sha256(b"default").hexdigest()[:16]
_T = "https://smartdatamodels.org/dataModel.Transportation/"
_LOCATION = "https://uri.etsi.org/ngsi-ld/location"
_PAGE = "/ngsi-ld/v1/entities?type=https:%2F%2Fsmartdatamodels.org%2FdataModel.Transportation%2FVehicle&limit=100"
_SCRIPT = """
request = function()
  return wrk.format("GET", string.format("/ngsi-ld/v1/entities/urn:ngsi-ld:Vehicle:%05d", math.random(0, {last})))
end
"""
_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_TAIL = re.compile(r"\s99%\s+([\d.]+)(us|ms|s)")
_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_FAILED = re.compile(r"Non-2xx or 3xx responses:\s+(\d+)|Socket errors: (.*)")


def vehicle(number: int, chance: random.Random) -> dict[str, Any]:
    """Make a bus in the centre: 12 attributes, about 1.5 kB."""
    found: dict[str, Any] = {
        "id": f"urn:ngsi-ld:Vehicle:{number:05}",
        "type": [_T + "Vehicle"],
        _T + "vehicleType": {"type": "Property", "value": "bus"},
        _T + "speed": {"type": "Property", "value": chance.randint(0, 60), "observedAt": "2026-11-22T05:59:00Z"},
        _T + "bearing": {"type": "Property", "value": chance.randint(0, 359), "observedAt": "2026-11-22T05:59:00Z"},
        _T + "fleetVehicleId": {"type": "Property", "value": f"F{number}"},
        _LOCATION: {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [round(chance.uniform(-122.35, -122.325), 6), 47.61]},
            "observedAt": "2026-11-22T05:59:00Z",
        },
    }
    for name in ("occupancy", "delay", "stopSequence", "vehicleRunningStatus", "odometer", "headway", "seats"):
        found[_T + name] = {"type": "Property", "value": chance.randint(0, 1000), "observedAt": "2026-11-22T05:59:00Z"}
    return found


def _city(folder: Path) -> Path:
    """Copy the sample city; the vendor sees whole buses (a row filter), nobody sees vehicles without agreement."""
    shutil.copytree(ROOT / "city", folder / "city")
    agreements = folder / "city" / "agreements"
    vendor = json.loads((agreements / "rideflow-mobility.jsonld").read_text())
    vendor["permission"][0]["target"] = {"types": ["Vehicle"], "q": 'vehicleType=="bus"'}
    vendor.pop("prohibition", None)
    (agreements / "rideflow-mobility.jsonld").write_text(json.dumps(vendor))
    (agreements / "public-mobility.jsonld").unlink()
    return folder / "city"


async def _fill(found: Database) -> None:
    pool, chance = Pool(found.dsn("broker"), size=1), random.Random(1)  # noqa: S311 - data, no secrets
    await pool.open()
    for start in range(0, _COUNT, 1000):
        docs = [vehicle(number, chance) for number in range(start, start + 1000)]
        async with pool.tx(_SCHEMA) as conn:
            await apply(conn, "default", [Change("create", doc["id"], doc) for doc in docs], datetime.now(UTC))
    await pool.close()


@contextmanager
def _static(size: int) -> Iterator[str]:
    """Run the bare static server."""
    port = free_port()
    environment = {**os.environ, "DATAPOLIS_BENCH_BYTES": str(size)}
    options = ["--interface", "asgi", "--loop", "uvloop", "--backlog", "4096", "--log-level", "warning"]
    options += ["--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "granian", *options, "tests.bench.static:app"], cwd=ROOT, env=environment
    )
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _load(url: str, headers: Mapping[str, str], script: str | None) -> tuple[float, float]:
    """Load a URL for one second; return answers a second and the 99th percentile of their time in ms."""
    command = [shutil.which("wrk") or "wrk", "-t1", "-c64", "-d1s", "--latency"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    if script is not None:
        command += ["-s", script]
    answer = subprocess.run([*command, url], capture_output=True, text=True, timeout=60, check=True).stdout
    failed = _FAILED.search(answer)
    rate = _RATE.search(answer)
    tail = _TAIL.search(answer)
    if failed is not None or rate is None or tail is None:
        raise RuntimeError(f"{url}: {answer}")
    return float(rate[1]), float(tail[1]) * _MS[tail[2]]


def _bytes(url: str, headers: Mapping[str, str]) -> bytes:
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - our own process
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own process
        body: bytes = answer.read()
        return body


def run(rounds: int = 9) -> list[dict[str, Any]]:
    """Measure rows 1 and 13."""
    if shutil.which("wrk") is None:
        raise RuntimeError("the load generator wrk is not installed; apt-get install wrk")
    with ExitStack() as stack:
        found = stack.enter_context(database())
        issuer = stack.enter_context(issuing())
        folder = Path(stack.enter_context(TemporaryDirectory()))
        city = _city(folder)
        city_in_force(found, city)
        asyncio.run(_fill(found))
        common = {"DATAPOLIS_OPA_URL": found.engines.opa, "DATAPOLIS_CITY": str(city), **issuer.environment()}
        governed = stack.enter_context(broker_process(found, common)).url
        opened = stack.enter_context(broker_process(found, {**common, "DATAPOLIS_ACCESS": "open"})).url
        script = folder / "ids.lua"
        script.write_text(_SCRIPT.replace("{last}", str(_COUNT - 1)))

        def caller(party: str, tier: str, purpose: str) -> dict[str, str]:
            return {"Authorization": f"Bearer {issuer.token(party, tier)}", "Data-Purpose": purpose}

        department = caller("urn:party:mobility-dept", "department", "dpv:ServiceManagement")
        vendor = caller("urn:party:rideflow", "vendor", "dpv:ServiceProvision")
        researcher = caller("urn:party:uni-air", "researcher", "dpv:ScientificResearch")
        one = f"{governed}/ngsi-ld/v1/entities/urn:ngsi-ld:Vehicle:00001"
        size = len(_bytes(one, department))
        static = stack.enter_context(_static(size))
        ways: dict[str, tuple[str, Mapping[str, str], str | None]] = {
            "static": (static, department, str(script)),
            "retrieve": (governed, department, str(script)),
            "open": (opened, {}, str(script)),
            "filtered": (governed, vendor, str(script)),
            "open page": (opened + _PAGE, {}, None),
            "filtered page": (governed + _PAGE, vendor, None),
            "masked page": (governed + _PAGE, researcher, None),
        }
        for name in ("open page", "filtered page", "masked page"):
            if len(orjson.loads(_bytes(ways[name][0], ways[name][1]))) != 100:
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
            rate, tail = _load(*ways[name])
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
