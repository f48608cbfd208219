"""Search the datasets, for the portal and for programs; and what search engines read."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from xml.sax.saxutils import escape

from fastapi import APIRouter, Query, Request, Response

from catalog import dcat, vocabulary
from catalog.catalogue import State
from catalog.dataset import Catalogue, Dataset
from catalog.http.lookup import find_dataset, json_answer, page_of, reader_of
from catalog.http.problems import Problem
from catalog.portal.render import page
from catalog.store import search
from catalog.store.connect import lent
from catalog.store.search import FACETS
from policies.http.pages import wants_page

__all__ = ["router", "schema_org"]

router = APIRouter()

_SITEMAP = 50_000


@router.get("/search")
async def find(
    request: Request,
    q: Annotated[str, Query(max_length=300)] = "",
    domain: Annotated[list[str] | None, Query()] = None,
    theme: Annotated[list[str] | None, Query()] = None,
    licence: Annotated[list[str] | None, Query()] = None,
    access: Annotated[list[str] | None, Query()] = None,
    sort: Literal["relevance", "modified", "title"] = "relevance",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
) -> Response:
    """Datasets by words and facets: `q` as in web searches, the last word may be a beginning."""
    given = {"domain": domain or (), "theme": theme or (), "licence": licence or (), "access": access or ()}
    reader = reader_of(request)
    async with lent(request.app.state.pool) as conn:
        found = await search.search(conn, search.Query(q, given, sort, limit, offset))
    state = await reader.state()
    catalogue = reader.catalogue(state)
    hits = [_hit(state, catalogue, d) for i in found.ids if (d := state.find(i)) is not None]
    body = {"query": q, "total": found.total, "offset": offset, "limit": limit, "hits": hits}
    body |= {"facets": {name: _facet(name, found.facets[name]) for name in FACETS}}
    if wants_page(request):
        names = {r.harvest.domain.name: r.harvest.domain.title for r in state.records}
        return page(request, "search.html", found=body, chosen=given, sort=sort, names=names)
    return json_answer(body)


def _facet(name: str, counts: dict[str, int]) -> list[dict[str, Any]]:
    labels = {"theme": vocabulary.THEMES}.get(name, {})
    return [{"value": value, "label": labels.get(value, value), "count": n} for value, n in counts.items()]


def _hit(state: State, catalogue: Catalogue, d: Dataset) -> dict[str, Any]:
    return {
        "id": d.id,
        "uri": dcat.dataset_uri(catalogue.base_url, d.domain, d.slug),
        "page": page_of(state, d),
        "title": d.title,
        "description": d.description,
        "domain": d.domain,
        "publisher": d.publisher.name,
        "theme": d.theme,
        "licence": vocabulary.licence_label(d.licence) if d.licence else None,
        "access": vocabulary.access_right(d.classification, d.public).rpartition("/")[2].lower(),
        "count": d.count,
        "modified": d.modified,
    }


@router.get("/sitemap.xml")
async def sitemap(request: Request, part: Annotated[int, Query(ge=1)] = 1) -> Response:
    """Every page and dataset for search engines; beyond fifty thousand addresses in parts."""
    reader = reader_of(request)
    state = await reader.state()
    base = reader.catalogue(state).base_url
    pages: list[tuple[str, str | None]] = [
        (f"{base}/", None),
        *((f"{base}{path}", None) for path in ("/use", "/register", "/roadmap", "/charter")),
        *((f"{base}/domains/{name}", None) for name in state.datasets),
    ]
    pages += [(dcat.dataset_uri(base, d.domain, d.slug), d.modified.date().isoformat()) for d in state.ordered]
    shown = pages[(part - 1) * _SITEMAP : part * _SITEMAP]
    if not shown:
        raise Problem(404, "not-found", "Not found", f"The sitemap has {-(-len(pages) // _SITEMAP)} parts.")
    said = "".join(
        f"<url><loc>{escape(url)}</loc>{f'<lastmod>{day}</lastmod>' if day else ''}</url>" for url, day in shown
    )
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{said}'
    return Response(f"{body}</urlset>\n", media_type="application/xml", headers={"Cache-Control": "no-cache"})


@router.get("/robots.txt")
async def robots(request: Request) -> Response:
    """Where the sitemap is; the live map and searches are not to be crawled."""
    base = request.app.state.settings.catalog_url.rstrip("/")
    lines = [
        "User-agent: *",
        "Disallow: /live",
        "Disallow: /search",
        "Disallow: /sparql",
        f"Sitemap: {base}/sitemap.xml",
    ]
    return Response("\n".join(lines) + "\n", media_type="text/plain; charset=utf-8")


@router.get("/schema.org/{domain}/{slug}")
async def for_search_engines(request: Request, domain: str, slug: str) -> Response:
    """A dataset as schema.org describes one (JSON-LD), as pages embed it."""
    reader = reader_of(request)
    state = await reader.state()
    return json_answer(schema_org(reader.catalogue(state), find_dataset(state, domain, slug)))


def schema_org(catalogue: Catalogue, d: Dataset) -> dict[str, Any]:
    """The description of a dataset that search engines for data read."""
    uri = dcat.dataset_uri(catalogue.base_url, d.domain, d.slug)
    body: dict[str, Any] = {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "@id": uri,
        "url": f"{catalogue.base_url}/domains/{d.domain}#{d.slug}",
        "name": d.title,
        "description": d.description,
        "keywords": list(d.keywords),
        "inLanguage": catalogue.language,
        "isAccessibleForFree": d.public,
        "creator": {"@type": "Organization", "name": d.publisher.name},
        "dateModified": d.modified,
        "includedInDataCatalog": {"@type": "DataCatalog", "@id": f"{catalogue.base_url}/catalog"},
    }
    if d.licence:
        body["license"] = d.licence
    if d.extent:
        box = f"{d.extent.south} {d.extent.west} {d.extent.north} {d.extent.east}"
        body["spatialCoverage"] = {"@type": "Place", "geo": {"@type": "GeoShape", "box": box}}
    if d.first_observed:
        body["temporalCoverage"] = f"{d.first_observed.isoformat()}/.."
    if d.public:
        body["distribution"] = {
            "@type": "DataDownload",
            "encodingFormat": "application/ld+json",
            "contentUrl": f"{catalogue.broker_url}/ngsi-ld/v1/entities?type={d.type}&limit=1000".replace("#", "%23"),
        }
    return body
