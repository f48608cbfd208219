"""Run the benchmarks: `python -m tests.bench [NAME ...] [--rounds N]`; a table, and .local/bench.json."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from docker.local.stack import LOCAL

NAMES = ("retrieve", "pages", "batch", "update", "jsonld", "ingest", "policy", "million", "temporal", "catalog")


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"some of {', '.join(NAMES)}; none: all")] = None,
    rounds: Annotated[int, typer.Option(help="rounds of each benchmark, shuffled")] = 9,
) -> None:
    """Measure, print the table and write it; the exit code says whether every floor holds."""
    console = Console(width=160)
    rows: list[dict[str, Any]] = []
    for name in names or NAMES:
        if name not in NAMES:
            raise typer.BadParameter(f"{name}: there is no such benchmark; there are {', '.join(NAMES)}")
        console.print(f"measuring {name} ...")
        found = importlib.import_module(f"tests.bench.bench_{name}").run(rounds=rounds)
        rows.extend(flat for one in (found if isinstance(found, list) else [found]) for flat in flattened(one))
    LOCAL.mkdir(exist_ok=True)
    result = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]},
        "rows": rows,
    }
    (LOCAL / "bench.json").write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    console.print(table(rows))
    sys.exit(0 if all(row["met"] for row in rows) else 1)


def flattened(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Give a benchmark's result as rows of one shape."""
    what = found.get("what") or found.get("name", "")
    if "ratio" in found:
        low, high = found.get("range", (found.get("low"), found.get("high")))
        met = found.get("met", found["ratio"] >= found["floor"])
        return [{**found, "row": str(found["row"]), "what": what, "low": low, "high": high, "met": met}]
    parts = [(name, part) for name, part in found.items() if isinstance(part, dict) and "ratio" in part]
    return [
        {
            **part,
            "row": f"{found['row']} {name}",
            "what": what,
            "rounds": found["rounds"],
            "floor": found["floor"],
            "note": f"{found.get('different', 0)} differences",
            "met": part["ratio"] >= found["floor"] and not found.get("different", 0),
        }
        for name, part in parts
    ]


def table(rows: list[dict[str, Any]]) -> Table:
    """Lay the rows out, with floor, aim and prototype."""
    found = Table(title="Ratios: median of shuffled rounds, and their range")
    for name in ("row", "what", "ratio", "range", "floor", "aim", "prototype", "", "note"):
        found.add_column(name, overflow="fold")
    for row in rows:
        found.add_row(
            row["row"],
            row["what"],
            f"{row['ratio']:.3g}",
            f"[{row['low']:.3g} .. {row['high']:.3g}]",
            str(row["floor"]),
            str(row.get("aim", "")),
            str(row.get("prototype", "")),
            "met" if row["met"] else "SHORT",
            str(row.get("note", "")),
        )
    return found


if __name__ == "__main__":
    typer.run(main)
