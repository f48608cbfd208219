"""The roadmap's findings and the pilots' figures, kept and read back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from catalog.roadmap import Finding, Kpi
from catalog.store.connect import Conn

__all__ = ["baseline", "figures", "findings", "freeze", "history", "measured", "save"]

_KPI = TypeAdapter(Kpi)
_FINDING = TypeAdapter(Finding)


async def save(conn: Conn, findings: Sequence[Finding], at: datetime) -> None:
    """Store what was found of every gate; gates that are no more leave, their runs stay."""
    async with conn.transaction():
        await conn.execute("DELETE FROM catalog.roadmap")
        for f in findings:
            await conn.execute(
                "INSERT INTO catalog.roadmap (quarter, gate, body, at) VALUES ($1, $2, $3, $4)",
                f.quarter,
                f.gate,
                _FINDING.dump_python(f, mode="json"),
                at,
            )
            same = await conn.fetchval(
                """
                UPDATE catalog.roadmap_runs SET last_at = $4, reason = $5 WHERE status = $3 AND seq = (
                    SELECT seq FROM catalog.roadmap_runs WHERE quarter = $1 AND gate = $2 ORDER BY seq DESC LIMIT 1)
                RETURNING true
                """,
                f.quarter,
                f.gate,
                f.status,
                at,
                f.reason,
            )
            if not same:
                await conn.execute(
                    "INSERT INTO catalog.roadmap_runs (quarter, gate, status, reason, first_at, last_at) "
                    "VALUES ($1, $2, $3, $4, $5, $5)",
                    f.quarter,
                    f.gate,
                    f.status,
                    f.reason,
                    at,
                )


async def findings(conn: Conn) -> dict[tuple[str, str], tuple[Finding, datetime]]:
    """What was found last, by quarter and gate, and when."""
    rows = await conn.fetch("SELECT quarter, gate, body, at FROM catalog.roadmap")
    return {(r["quarter"], r["gate"]): (_FINDING.validate_python(r["body"]), r["at"]) for r in rows}


async def history(conn: Conn) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Every run of each gate, in order of time."""
    rows = await conn.fetch(
        "SELECT quarter, gate, status, reason, first_at, last_at FROM catalog.roadmap_runs ORDER BY seq LIMIT 20000"
    )
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for r in rows:
        run = {"status": r["status"], "reason": r["reason"], "from": r["first_at"], "to": r["last_at"]}
        found.setdefault((r["quarter"], r["gate"]), []).append(run)
    return found


async def freeze(conn: Conn, pilot: str, definition: dict[str, Any], figure: Kpi) -> None:
    """Keep a baseline for good; one that stands already stays as it is."""
    await conn.execute(
        "INSERT INTO catalog.baselines (pilot, definition, figure, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        pilot,
        definition,
        _KPI.dump_python(figure, mode="json"),
        figure.at,
    )


async def baseline(conn: Conn, pilot: str) -> tuple[dict[str, Any], Kpi] | None:
    """A pilot's definition as it was when its baseline was frozen, and that baseline."""
    row = await conn.fetchrow("SELECT definition, figure FROM catalog.baselines WHERE pilot = $1", pilot)
    return (row["definition"], _KPI.validate_python(row["figure"])) if row else None


async def measured(conn: Conn, pilot: str, figure: Kpi) -> None:
    """Keep a pilot's newest figure."""
    await conn.execute(
        "INSERT INTO catalog.pilots (pilot, figure, at) VALUES ($1, $2, $3) "
        "ON CONFLICT (pilot) DO UPDATE SET figure = excluded.figure, at = excluded.at",
        pilot,
        _KPI.dump_python(figure, mode="json"),
        figure.at,
    )


async def figures(conn: Conn, pilot: str) -> Kpi | None:
    """A pilot's newest figure."""
    row = await conn.fetchval("SELECT figure FROM catalog.pilots WHERE pilot = $1", pilot)
    return _KPI.validate_python(row) if row else None
