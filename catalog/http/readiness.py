"""Readiness for programs: verdicts with their evidence and signatures, their history, badges and a feed of changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from catalog.city import City, read_city
from catalog.harvest import FEED, MEASUREMENT, PLATFORM
from catalog.http.lookup import find_view, json_answer, reader_of
from catalog.http.problems import Problem
from catalog.mqa import DIMENSIONS, rating
from catalog.portal.badge import badge
from catalog.portal.changes import atom
from catalog.portal.view import readiness_json
from catalog.reading import sources
from catalog.settings import Settings
from catalog.store import keys, rounds, scores
from catalog.store.connect import lent
from catalog.store.rounds import Series
from catalog.store.scores import Scored
from policies.domains import CityFileError

__all__ = ["router"]

router = APIRouter()


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


@router.get("/readiness")
async def readiness(request: Request) -> Response:
    """Every domain's verdict with its evidence, and where an outsider finds what it rests on."""
    reader, settings = reader_of(request), _settings(request)
    now, state = datetime.now(UTC), await reader.state()
    where = sources(settings.catalog_url, settings.broker_for_others)
    domains = await run_in_threadpool(lambda: [readiness_json(v, history=False) for v in state.views(now)])
    return json_answer(
        {
            "city": reader.city.name,
            "at": now,
            "governed": state.governed(now),
            "domains": domains,
            "evidenceTtl": settings.evidence_ttl_s,
            "interval": settings.assess_interval_s,
            "services": sorted(reader.city.machinery),
            "keys": f"{settings.catalog_url.rstrip('/')}/readiness/keys",
            "sources": {
                "domains": where.declaration,
                "agreements": where.agreements,
                "assessments": where.assessments,
                "origins": where.origins,
                "broker": settings.broker_for_others,
                "tenant": PLATFORM,
                "types": [FEED, MEASUREMENT],
            },
        }
    )


@router.get("/readiness/keys")
async def signing_keys(request: Request) -> Response:
    """The public keys that sign verdicts (JWK Set, RFC 7517)."""
    async with lent(request.app.state.pool) as conn:
        return json_answer({"keys": await keys.published(conn)})


@router.get("/readiness/{domain}")
async def readiness_of(request: Request, domain: str) -> Response:
    """One domain's verdict with its evidence and its versions."""
    return json_answer(readiness_json(find_view(await reader_of(request).state(), domain)))


@router.get("/readiness/{domain}/history")
async def readiness_history(request: Request, domain: str, days: Annotated[int, Query(ge=1, le=3660)] = 30) -> Response:
    """What each gate found since so many days ago, in stretches of equal findings: for a chart."""
    view = find_view(await reader_of(request).state(), domain)
    since = datetime.now(UTC) - timedelta(days=days)
    async with lent(request.app.state.pool) as conn:
        found = await rounds.runs(conn, domain, since)
    versions = [
        {
            "version": c.version,
            "status": c.status,
            "failing": list(c.failing),
            "reason": c.reason,
            "from": c.since,
            "to": c.last_at,
            "jws": c.jws,
        }
        for c in view.history
        if c.last_at >= since
    ]
    gates = {gate: [{**s.value, "from": s.first_at, "to": s.last_at} for s in each] for gate, each in found.items()}
    return json_answer({"domain": domain, "since": since, "versions": versions, "gates": gates})


@router.get("/quality/{domain}")
async def quality(request: Request, domain: str, days: Annotated[int, Query(ge=1, le=3660)] = 30) -> Response:
    """The measured quality of a domain's feeds and of its datasets' metadata with their history, and the targets."""
    state = await reader_of(request).state()
    find_view(state, domain)
    (facts,) = (r.harvest.domain for r in state.records if r.harvest.domain.name == domain)
    since = datetime.now(UTC) - timedelta(days=days)
    async with lent(request.app.state.pool) as conn:
        found = await rounds.quality_history(conn, domain, since)
        scored = await scores.history(conn, domain, since)
    reasons = dict(facts.target_reasons)
    targets = {name: {"value": value, "reason": reasons.get(name)} for name, value in facts.targets}
    body = {"domain": domain, "targets": targets, "series": _series(found)}
    return json_answer(body | {"metadata": [_scored(id_, each) for id_, each in scored.items()]})


def _scored(id_: str, each: Sequence[Scored]) -> dict[str, Any]:
    """A dataset's metadata quality: of 405 points, by dimension, what is lost, and its history."""
    last = each[-1].score
    return {
        "dataset": id_,
        "value": last.total,
        "of": 405,
        "rating": rating(last.total),
        "dimensions": {name: last.dimension(name) for name in DIMENSIONS},
        "lost": last.lost,
        "points": [{"value": s.score.total, "from": s.first_at, "to": s.last_at} for s in each],
    }


def _series(found: Mapping[tuple[str, str], list[Series]]) -> list[dict[str, Any]]:
    return [
        {
            "feed": feed,
            "dimension": dimension,
            "value": each[-1].value,
            "points": [{"value": s.value, "from": s.first_at, "to": s.last_at} for s in each],
        }
        for (feed, dimension), each in found.items()
    ]


@router.get("/feeds")
async def feeds(request: Request, domain: str | None = None) -> Response:
    """The feeds that the city declares: where each domain's data come from."""
    found = await run_in_threadpool(_city, _settings(request))
    return json_answer(
        {
            "feeds": [
                {
                    "feed": o.feed,
                    "title": o.title,
                    "domain": o.domain,
                    "kind": o.kind,
                    "types": o.types,
                    "licence": o.licence,
                    "digest": o.digest,
                }
                for o in found.origins
                if domain in (None, o.domain)
            ]
        }
    )


def _city(settings: Settings) -> City:
    try:
        return read_city(settings.city)
    except CityFileError as error:
        raise Problem(503, "city-folder", "The city folder cannot be read", str(error)) from error


@router.get("/badges/{domain}.svg")
async def badge_of(request: Request, domain: str) -> Response:
    """A domain's verdict as a badge that others may embed; it is judged anew at each request."""
    view = find_view(await reader_of(request).state(), domain)
    return Response(badge(view), media_type="image/svg+xml", headers={"Cache-Control": "no-cache, max-age=0"})


@router.get("/changes.atom")
async def changes(request: Request) -> Response:
    """Every change of any domain's verdict, the newest first."""
    reader = reader_of(request)
    state, base_url = await reader.state(), _settings(request).catalog_url.rstrip("/")

    def write() -> bytes:
        return atom(reader.city.name, base_url, "/changes.atom", state.views(datetime.now(UTC)))

    body = await run_in_threadpool(write)
    return Response(body, media_type="application/atom+xml", headers={"Cache-Control": "no-cache"})


@router.get("/changes/{domain}.atom")
async def changes_of(request: Request, domain: str) -> Response:
    """Every change of one domain's verdict, the newest first."""
    reader = reader_of(request)
    view = find_view(await reader.state(), domain)
    body = atom(reader.city.name, _settings(request).catalog_url.rstrip("/"), f"/changes/{domain}.atom", [view])
    return Response(body, media_type="application/atom+xml", headers={"Cache-Control": "no-cache"})
