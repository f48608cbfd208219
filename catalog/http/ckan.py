"""The part of CKAN's action API that harvesters use, read-only: each dataset is a package, each domain an organisation.

A package's name is its domain and slug joined by two hyphens. `package_search` without words walks the datasets in an
order that never changes, so that a harvester that pages by `start` meets each once while others come and go.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request, Response

from catalog import dcat, vocabulary
from catalog.catalogue import State
from catalog.dataset import Catalogue, Dataset
from catalog.http.lookup import reader_of
from catalog.store import search
from catalog.store.connect import lent

__all__ = ["package", "package_name", "router"]

router = APIRouter()

_MOST: Final = 1000
_FQ = re.compile(r'\+?(organization|groups|theme|license_id|access_rights):\s*"?([^"\s]+)"?')
_FACETS: Final = {"organization": "domain", "groups": "theme", "theme": "theme", "access_rights": "access"}
_SORTS: Final = {"metadata_modified": "modified", "title": "title", "score": "relevance"}


class _NotFound(Exception):
    pass


class _Invalid(Exception):
    pass


@dataclass(frozen=True, slots=True)
class _Call:
    request: Request
    given: Mapping[str, Any]
    state: State
    catalogue: Catalogue

    def text(self, name: str, other: str = "") -> str:
        value = self.given.get(name)
        return value if isinstance(value, str) else other if value is None else str(value)

    def number(self, name: str, other: int, most: int) -> int:
        value = self.text(name, str(other))
        if not value.isdigit():
            raise _Invalid(f"{name}: must be a natural number, not '{value}'")
        return min(int(value), most)


def package_name(d: Dataset) -> str:
    """A dataset's name among the packages."""
    return re.sub(r"[^a-z0-9_-]", "-", f"{d.domain}--{d.slug}".lower())


def _id(uri: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, uri))


def package(catalogue: Catalogue, d: Dataset) -> dict[str, Any]:
    """A dataset as CKAN describes a package."""
    uri = dcat.dataset_uri(catalogue.base_url, d.domain, d.slug)
    modified, issued = (t.replace(tzinfo=None).isoformat() for t in (d.modified, d.issued))
    licence = vocabulary.licence(d.licence) if d.licence else (None, None)
    entities = f"{catalogue.broker_url}/ngsi-ld/v1/entities?type={d.type}".replace("#", "%23")
    extras = {
        "identifier": uri,
        "uri": uri,
        "publisher_name": d.publisher.name,
        "publisher_uri": d.publisher.uri,
        "access_rights": vocabulary.access_right(d.classification, d.public),
        "theme": orjson.dumps([vocabulary.theme(d.theme)] if d.theme else []).decode(),
        "language": orjson.dumps([vocabulary.language(catalogue.language)]).decode(),
    }
    return {
        "id": _id(uri),
        "name": package_name(d),
        "title": d.title,
        "notes": d.description,
        "url": uri,
        "type": "dataset",
        "state": "active",
        "private": False,
        "license_id": (licence[0] or "").rpartition("/")[2] or None,
        "license_title": licence[1],
        "license_url": d.licence,
        "maintainer": d.publisher.name,
        "maintainer_email": d.contact if d.contact and "@" in d.contact else None,
        "metadata_created": issued,
        "metadata_modified": modified,
        "organization": _organization(catalogue, d),
        "owner_org": _id(f"{catalogue.base_url}/domains/{d.domain}"),
        "groups": [_group(d.theme)] if d.theme else [],
        "tags": [{"name": k, "display_name": k, "state": "active"} for k in d.keywords],
        "num_tags": len(d.keywords),
        "extras": [{"key": key, "value": value} for key, value in extras.items()],
        "num_resources": 1,
        "resources": [
            {
                "id": _id(f"{uri}#ngsi-ld"),
                "package_id": _id(uri),
                "name": "NGSI-LD API",
                "description": "Entities as linked data; a token raises what you may see.",
                "url": entities if d.public else f"{catalogue.base_url}/trust/terms/{d.domain}",
                "format": "JSON-LD",
                "mimetype": "application/ld+json",
                "size": d.size,
                "created": issued,
                "last_modified": modified,
                "state": "active",
                "position": 0,
            }
        ],
    }


def _organization(catalogue: Catalogue, d: Dataset) -> dict[str, Any]:
    return {
        "id": _id(f"{catalogue.base_url}/domains/{d.domain}"),
        "name": d.domain,
        "title": d.title.partition(":")[0],
        "description": "",
        "type": "organization",
        "is_organization": True,
        "approval_status": "approved",
        "state": "active",
    }


def _group(theme: str) -> dict[str, Any]:
    code = vocabulary.theme(theme).rpartition("/")[2]
    return {"id": _id(vocabulary.theme(theme)), "name": code.lower(), "title": vocabulary.THEMES[code]}


async def _status_show(call: _Call) -> Any:
    return {
        "site_title": f"{call.catalogue.city} data catalog",
        "site_description": "",
        "site_url": call.catalogue.base_url,
        "ckan_version": "2.10.0",
        "locale_default": call.catalogue.language,
        "error_emails_to": None,
        "extensions": ["dcat"],
    }


async def _site_read(_: _Call) -> Any:
    return True


async def _package_list(call: _Call) -> Any:
    start, most = call.number("offset", 0, 10**9), call.number("limit", 10**9, 10**9)
    return [package_name(d) for d in call.state.ordered[start : start + most]]


async def _package_show(call: _Call) -> Any:
    wanted = call.text("id") or call.text("name_or_id")
    if not wanted:
        raise _Invalid("id: Missing value")
    found = _by_name(call).get(wanted)
    if found is None:
        raise _NotFound("Not found")
    return package(call.catalogue, found)


def _by_name(call: _Call) -> dict[str, Dataset]:
    """Every dataset by its package's name and id; made once per reading of the store."""
    kept: tuple[State, dict[str, Dataset]] | None = getattr(call.request.app.state, "packages", None)
    if kept is None or kept[0] is not call.state:
        base = call.catalogue.base_url
        found = {package_name(d): d for d in call.state.ordered}
        found |= {_id(dcat.dataset_uri(base, d.domain, d.slug)): d for d in call.state.ordered}
        kept = call.request.app.state.packages = (call.state, found)
    return kept[1]


async def _with_resources(call: _Call) -> Any:
    start, most = call.number("offset", 0, 10**9), call.number("limit", 100, _MOST)
    return [package(call.catalogue, d) for d in call.state.ordered[start : start + most]]


async def _package_search(call: _Call) -> Any:
    rows, start = call.number("rows", 10, _MOST), call.number("start", 0, 10**9)
    text = "" if call.text("q") in ("*:*", "*") else call.text("q")
    facets: dict[str, list[str]] = {}
    for name, value in _FQ.findall(call.text("fq")):
        if name in _FACETS:
            facets.setdefault(_FACETS[name], []).append(value.upper() if _FACETS[name] == "theme" else value)
    sort = call.text("sort").split(",")[0].split(" ")[0]
    async with lent(call.request.app.state.pool) as conn:
        if text or facets or _SORTS.get(sort) in ("modified", "title"):
            query = search.Query(text, facets, _SORTS.get(sort, "relevance"), rows, start)
            found = await search.search(conn, query)
            ids, total = list(found.ids), found.total
        else:
            ids, total = await search.walk(conn, rows, start)
    packages = [package(call.catalogue, d) for i in ids if (d := call.state.find(i)) is not None]
    return {"count": total, "start": start, "sort": sort, "results": packages, "facets": {}, "search_facets": {}}


async def _organization_list(call: _Call) -> Any:
    first = {name: each[0] for name, each in call.state.datasets.items() if each}
    if call.text("all_fields").lower() not in ("true", "1"):
        return list(first)
    return [
        _organization(call.catalogue, d) | {"package_count": len(call.state.datasets[name])}
        for name, d in first.items()
    ]


async def _organization_show(call: _Call) -> Any:
    for name, each in call.state.datasets.items():
        if each and call.text("id") in (name, _organization(call.catalogue, each[0])["id"]):
            return _organization(call.catalogue, each[0]) | {"package_count": len(each)}
    raise _NotFound("Not found")


async def _group_list(call: _Call) -> Any:
    themes = sorted({d.theme for d in call.state.ordered if d.theme})
    groups = [_group(theme) for theme in themes]
    return groups if call.text("all_fields").lower() in ("true", "1") else [g["name"] for g in groups]


async def _tag_list(call: _Call) -> Any:
    return sorted({k for d in call.state.ordered for k in d.keywords})


async def _license_list(call: _Call) -> Any:
    known = sorted({vocabulary.licence(d.licence) for d in call.state.ordered if d.licence})
    return [
        {"id": iri.rpartition("/")[2], "title": title, "url": iri, "status": "active", "is_generic": False}
        for iri, title in known
    ]


_ACTIONS: Final[dict[str, Callable[[_Call], Awaitable[Any]]]] = {
    "current_package_list_with_resources": _with_resources,
    "group_list": _group_list,
    "license_list": _license_list,
    "organization_list": _organization_list,
    "organization_show": _organization_show,
    "package_list": _package_list,
    "package_search": _package_search,
    "package_show": _package_show,
    "site_read": _site_read,
    "status_show": _status_show,
    "tag_list": _tag_list,
}


@router.api_route("/api/3/action/{name}", methods=["GET", "POST"])
@router.api_route("/api/action/{name}", methods=["GET", "POST"])
async def action(request: Request, name: str) -> Response:
    """One action, its arguments in the query or as JSON."""
    help_ = f"{request.app.state.settings.catalog_url.rstrip('/')}/api/3/action/help_show?name={name}"
    run = _ACTIONS.get(name)
    try:
        if run is None:
            return _answer(400, help_, error={"__type": "Bad request", "message": f"Action name not known: {name}"})
        given = dict(request.query_params) | await _body(request)
        reader = reader_of(request)
        state = await reader.state()
        result = await run(_Call(request, given, state, reader.catalogue(state)))
    except _NotFound as error:
        return _answer(404, help_, error={"__type": "Not Found Error", "message": str(error)})
    except _Invalid as error:
        return _answer(409, help_, error={"__type": "Validation Error", "message": str(error)})
    return _answer(200, help_, result=result)


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    if not raw.strip():
        return {}
    try:
        body = orjson.loads(raw)
    except ValueError as error:
        raise _Invalid(f"the body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise _Invalid("the body must be a JSON object")
    return body


def _answer(status: int, help_: str, **said: Any) -> Response:
    body = {"help": help_, "success": status == 200, **said}
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-cache"}, "application/json")
