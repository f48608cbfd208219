"""PERFORMANCE rows 2, 3 and 4: two workers, against PostgreSQL itself, and pages against bytes that are ready.

Slices of one second in shuffled order. Row 2: retrieve, token, policy and audit on, two workers, to the same server's
bare static answer by two workers. Row 3: the same by one worker to pgbench's select by key, 8 clients over TCP. Row 4:
a page of 100, policy off, to a static page of equal bytes, and to the page parsed and written anew from the same rows.
"""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from tests.bench.buses import COUNT, PAGE, SCHEMA, city_of_buses, fill, ids_script
from tests.bench.environment import city_in_force, database, issuing, measured
from tests.bench.wrk import answer_bytes, bare_server, load, needed
from tests.fixtures.broker import broker_process
from tests.fixtures.postgres import Database

__all__ = ["run"]

_TPS = re.compile(r"tps = ([\d.]+)")
_SELECT = f"""
\\set number random(0, {COUNT - 1})
SELECT types, names, segs, meta::text FROM {SCHEMA}.entities
WHERE id = concat_ws(chr(58), 'urn', 'ngsi-ld', 'Vehicle', to_char(CAST(:number AS integer), 'FM00000'));
"""  # noqa: S608 - our own names; pgbench takes a colon before a name for a variable, also within a literal


def run(rounds: int = 9) -> list[dict[str, Any]]:
    """Measure rows 2, 3 and 4."""
    needed()
    with ExitStack() as stack:
        found = stack.enter_context(database())
        issuer = stack.enter_context(issuing())
        folder = Path(stack.enter_context(TemporaryDirectory()))
        city = city_of_buses(folder)
        city_in_force(found, city)
        asyncio.run(fill(found))
        common = {"DATAPOLIS_OPA_URL": found.engines.opa, "DATAPOLIS_CITY": str(city), **issuer.environment()}
        token = issuer.token("urn:party:mobility-dept", "department")
        caller = {"Authorization": f"Bearer {token}", "Data-Purpose": "dpv:ServiceManagement"}
        one = stack.enter_context(broker_process(found, common)).url
        two = stack.enter_context(broker_process(found, common, workers=2)).url
        opened = stack.enter_context(broker_process(found, {**common, "DATAPOLIS_ACCESS": "open"})).url
        size = len(answer_bytes(f"{one}/ngsi-ld/v1/entities/urn:ngsi-ld:Vehicle:00001", caller))
        page = len(answer_bytes(opened + PAGE, {}))
        static = stack.enter_context(bare_server({"DATAPOLIS_BENCH_BYTES": str(size)}, workers=2))
        static_page = stack.enter_context(bare_server({"DATAPOLIS_BENCH_BYTES": str(page)}))
        redump = stack.enter_context(bare_server(found.environment(), "tests.bench.redump:app"))
        script = str(ids_script(folder))
        select = folder / "select.sql"
        select.write_text(_SELECT)
        return _rounds(
            {
                "static, 2 workers": lambda: load(static, caller, script)[0],
                "retrieve, 2 workers": lambda: load(two, caller, script)[0],
                "retrieve": lambda: load(one, caller, script)[0],
                "pgbench": lambda: _pgbench(found, select),
                "page": lambda: load(opened + PAGE, {}, None)[0],
                "static page": lambda: load(static_page + PAGE, {}, None)[0],
                "page parsed and dumped": lambda: load(redump + PAGE, {}, None)[0],
            },
            rounds,
            page,
        )


def _pgbench(found: Database, script: Path) -> float:
    url = urlsplit(found.dsn("admin"))
    command = [shutil.which("pgbench") or "pgbench", "-n", "-M", "prepared", "-c", "8", "-j", "1", "-T", "1"]
    command += ["-f", str(script), "-h", url.hostname or "", "-p", str(url.port), "-U", url.username or "", found.name]
    environment = {"PGPASSWORD": url.password or "", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    rate = _TPS.search(done.stdout)
    if done.returncode or rate is None:
        raise RuntimeError(f"pgbench failed: {done.stderr[:2000]}")
    return float(rate[1])


def _rounds(ways: Mapping[str, Callable[[], float]], rounds: int, page: int) -> list[dict[str, Any]]:
    order = random.Random(20_261_123)  # noqa: S311 - an order, no secret
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-1, rounds):
        for name in order.sample(sorted(ways), len(ways)):
            rate = ways[name]()
            if number >= 0:
                rates[name].append(rate)

    def row(number: str, what: str, over: str, under: str, floor: float, aim: float, before: str) -> dict[str, Any]:
        ratios = [a / b for a, b in zip(rates[over], rates[under], strict=True)]
        note = f"{over} {median(rates[over]):,.0f}/s, {under} {median(rates[under]):,.0f}/s"
        return measured(number, what, ratios, floor, aim, before, note).result()

    return [
        row("2", "retrieve, token + policy + audit, 2 workers, to a bare static answer by 2 workers",
            "retrieve, 2 workers", "static, 2 workers", 0.35, 0.5, "62 % (no audit, filter or metrics)"),
        row("3", "retrieve, token + policy + audit, 1 worker, to pgbench select by key",
            "retrieve", "pgbench", 0.35, 0.5, "64 % (no audit, filter or metrics)"),
        row("4a", f"page of 100 ({page:,} B), open, to a static page of equal bytes",
            "page", "static page", 0.07, 0.10, "10 %"),
        row("4b", "page of 100, open, to the same parsed and dumped",
            "page", "page parsed and dumped", 3.0, 4.0, "4.1x"),
    ]  # fmt: skip
