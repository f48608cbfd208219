"""The live map's data, and files of the city folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from catalog.http.lookup import find_dataset, find_view, json_answer, reader_of
from catalog.http.problems import Problem
from catalog.portal import basemap
from catalog.portal.live import LiveMap
from catalog.portal.view import SHOWN

__all__ = ["router"]

router = APIRouter()

_GEOJSON: Final = "application/geo+json"


@router.get("/live.geojson")
async def live(request: Request, domain: Annotated[str, Query(min_length=1, max_length=100)]) -> Response:
    """What the public may see of a domain now (of its first datasets), as GeoJSON, with the receipts of its reading."""
    state = await reader_of(request).state()
    view = find_view(state, domain)
    live_map: LiveMap = request.app.state.live
    body = await live_map.geojson(domain, view.datasets[:SHOWN])
    return Response(body, media_type=_GEOJSON, headers={"Cache-Control": "no-cache"})


@router.get("/live/entity")
async def live_entity(
    request: Request,
    domain: Annotated[str, Query(min_length=1, max_length=100)],
    type: Annotated[str, Query(min_length=1, max_length=300)],
    id: Annotated[str, Query(min_length=1, max_length=2000)],
) -> Response:
    """One entity as the public sees it. `type` is the dataset's path name."""
    found = find_dataset(await reader_of(request).state(), domain, type)
    live_map: LiveMap = request.app.state.live
    entity = await live_map.entity(found, id)
    if entity is None:
        raise Problem(404, "not-found", "Not found", f"The public sees no entity '{id}' of type {type}.")
    return json_answer(entity)


@router.get("/basemap.geojson")
async def land(
    west: Annotated[float, Query(ge=-180, le=180)],
    south: Annotated[float, Query(ge=-90, le=90)],
    east: Annotated[float, Query(ge=-180, le=180)],
    north: Annotated[float, Query(ge=-90, le=90)],
) -> Response:
    """Land in a box, for the map."""
    if west >= east or south >= north:
        raise Problem(400, "bad-request", "Bad request", "west must be below east, and south below north.")
    body = await run_in_threadpool(basemap.land, west, south, east, north)
    return Response(body, media_type=_GEOJSON, headers={"Cache-Control": "public, max-age=86400"})


@router.get("/city.geojson")
async def city_city_file(request: Request) -> Response:
    """The city's own outline for the map (`map.geojson` in its folder); 204 where it has none."""
    body = await run_in_threadpool(_city_file, request.app.state.settings.city / "map.geojson")
    if body is None:
        return Response(status_code=204)
    return Response(body, media_type=_GEOJSON, headers={"Cache-Control": "public, max-age=3600"})


@router.get("/context.jsonld")
async def context(request: Request) -> Response:
    """The city's @context, for the Link header of requests to the broker."""
    body = await run_in_threadpool(_city_file, request.app.state.settings.city / "context.jsonld")
    if body is None:
        raise Problem(404, "not-found", "Not found", "The city folder has no context.jsonld.")
    return Response(body, media_type="application/ld+json", headers={"Cache-Control": "public, max-age=300"})


def _city_file(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
