"""Measure pilots from entities and judge the roadmap's gates: a part of the assessor's work, done every few minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import aiohttp

from catalog.broker import Broker, BrokerRefused
from catalog.evidence import Verdict
from catalog.harvest import moment
from catalog.roadmap import Finding, Kpi, Pilot, Situation, judge, kpi, read_pilots, read_roadmap
from catalog.settings import Settings
from catalog.store import roadmap as store
from catalog.store import systems
from catalog.store.connect import Conn
from policies.city import CityFolder, open_city
from policies.domains import CityFileError

__all__ = ["cases", "judge_roadmap", "measure"]

_PAGE = 1000
_MOST = 500_000
_PUBLIC = ("/readiness", "/use", "/trust/log/checkpoint")


async def cases(broker: Broker, city: CityFolder, pilot: Pilot) -> list[tuple[datetime, datetime | None]]:
    """When each case was opened and closed, read page by page; the entities are not kept."""
    opened, closed = city.terms.expand(pilot.opened), city.terms.expand(pilot.closed)
    found: list[tuple[datetime, datetime | None]] = []
    seen, tenant = 0, city.domains[pilot.domain].tenant
    while seen < _MOST:
        try:
            page = await broker.entities(
                city.terms.expand(pilot.type), tenant, _PAGE, offset=seen, extra={"pick": f"id,{opened},{closed}"}
            )
        except BrokerRefused as error:
            if error.status == 404:
                return found
            raise
        for entity in page.entities:
            start, end = (_time(entity.get(name)) for name in (opened, closed))
            if start is not None:
                found.append((start, end))
        seen += len(page.entities)
        if len(page.entities) < _PAGE:
            break
    return found


def _time(attribute: object) -> datetime | None:
    given = attribute[0] if isinstance(attribute, list) and attribute else attribute
    return moment(given.get("value")) if isinstance(given, dict) else None


async def measure(conn: Conn, broker: Broker, city: CityFolder, pilot: Pilot, now: datetime) -> None:
    """Measure a pilot; its baseline is frozen the first time that it has enough cases, with what it was measured of."""
    if pilot.domain not in city.domains:
        raise CityFileError(f"pilots/{pilot.name}.yaml: domain: {pilot.domain} is no domain of the city")
    read = await cases(broker, city, pilot)
    if await store.baseline(conn, pilot.name) is None:
        before = kpi(read, pilot.baseline, now)
        if before.closed >= pilot.least:
            await store.freeze(conn, pilot.name, pilot.model_dump(mode="json", by_alias=True), before)
    after = kpi(read, pilot.pilot, now)
    if after.closed >= pilot.least:
        await store.measured(conn, pilot.name, after)


async def judge_roadmap(
    conn: Conn, http: aiohttp.ClientSession, broker: Broker, settings: Settings, verdicts: Sequence[Verdict]
) -> list[Finding]:
    """Measure the pilots and judge every gate; what was found is stored."""
    plan, now = read_roadmap(settings.city), datetime.now(UTC)
    if plan is None:
        return []
    city, base = open_city(settings.city), settings.catalog_url.rstrip("/")
    figures: dict[str, tuple[Kpi | None, Kpi | None]] = {}
    for pilot in read_pilots(settings.city):
        await measure(conn, broker, city, pilot, now)
        frozen = await store.baseline(conn, pilot.name)
        definition = pilot.model_dump(mode="json", by_alias=True)
        same = frozen is not None and {**frozen[0], "title": 0, "pilot": 0} == {**definition, "title": 0, "pilot": 0}
        figures[pilot.name] = (
            frozen[1] if frozen and same else None,
            await store.figures(conn, pilot.name),
        )
    answers = {path: await _answer(http, base + path) for path in _PUBLIC}
    entered = [e.body for e in await systems.newest(conn)]
    titles = {name: _title(domain.title) for name, domain in city.domains.items()}
    titles |= {pilot.name: _title(pilot.title) for pilot in read_pilots(settings.city)}
    situation = Situation(now, base, {v.domain: v.status for v in verdicts}, figures, entered, answers, titles)
    found = [judge(q.quarter, gate, situation) for q in plan.quarters for gate in q.gates]
    await store.save(conn, found, now)
    return found


def _title(title: Mapping[str, str]) -> str:
    """A title in the language of the reasons, else in the first that there is."""
    return title.get("en") or next(iter(title.values()))


async def _answer(http: aiohttp.ClientSession, url: str) -> int:
    try:
        async with http.get(url) as answer:
            return answer.status
    except (aiohttp.ClientError, TimeoutError, OSError):
        return 0
