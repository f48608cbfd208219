"""Domains, the terms offered in them, and the agreements: JSON for programs, one plain page for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment, FileSystemLoader

from policies.http.problems import missing
from policies.store import terms as store
from policies.store.connect import Pool

__all__ = ["router"]

router = APIRouter()
_PAGES = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)
_VARY = {"Vary": "Accept"}


def _pool(request: Request) -> Pool:
    pool: Pool = request.app.state.trust_pool
    return pool


def _wants_page(request: Request) -> bool:
    """Tell whether HTML is asked for before JSON; programs that name neither get JSON."""
    accept = request.headers.get("accept", "")
    page = accept.find("text/html")
    json = accept.find("json")
    return page >= 0 and (json < 0 or page < json)


def _short(name: str) -> str:
    """Give the last part of an IRI."""
    return name.rstrip("/").rpartition("#")[2].rpartition("/")[2]


def _how_to_apply(domain: Mapping[str, Any]) -> str:
    contact = (domain["contact"] or "").removeprefix("mailto:")
    where = f"Write to {contact}" if contact else "Ask the domain's owner"
    return f"{where} and name your organisation, the purpose (a DPV term), the attributes, the area and how long."


@router.get("/domains")
async def domains(request: Request) -> Response:
    """List all domains as they were declared, names in full."""
    async with _pool(request).acquire() as conn:
        return JSONResponse({"domains": await store.domains(conn)})


@router.get("/terms")
async def all_terms(request: Request) -> Response:
    """List where each domain's terms are."""
    base = str(request.url).partition("?")[0].rstrip("/")
    async with _pool(request).acquire() as conn:
        found = await store.domains(conn)
    links = [{"domain": item["name"], "title": item["title"], "url": f"{base}/{item['name']}"} for item in found]
    if _wants_page(request):
        return HTMLResponse(_PAGES.get_template("all-terms.html").render(links=links), headers=_VARY)
    return JSONResponse({"terms": links}, headers=_VARY)


@router.get("/terms/{domain}")
async def terms(request: Request, domain: str) -> Response:
    """Say what may be done with a domain's data, by whom, for which purposes, and how to apply for more."""
    async with _pool(request).acquire() as conn:
        declared = await store.domain(conn, domain)
        if declared is None:
            return missing(f"there is no domain {domain!r}; the domains are listed at /trust/domains")
        agreements = await store.agreements(conn, domain)
        parties = await store.parties(conn)
    body = {
        "domain": declared["name"],
        "title": declared["title"],
        "description": declared["description"],
        "owner": declared["owner"],
        "steward": declared["steward"],
        "contact": declared["contact"],
        "licence": declared["licence"],
        "purposes": declared["purposes"],
        "classification": declared["classification"],
        "types": declared["types"],
        "how_to_apply": _how_to_apply(declared),
        "agreements": agreements,
    }
    if _wants_page(request):
        page = _PAGES.get_template("terms.html").render(terms=body, parties=parties, short=_short)
        return HTMLResponse(page, headers=_VARY)
    return JSONResponse(body, headers=_VARY)


@router.get("/agreements")
async def agreements(request: Request, domain: str | None = None) -> Response:
    """List the current agreements: who may do what, for which purposes, until when."""
    async with _pool(request).acquire() as conn:
        found = await store.agreements(conn, domain)
    summary = [
        {
            **{name: item[name] for name in ("uid", "version", "status", "title", "domain", "assignee", "valid")},
            "actions": sorted({action for rule in item["permission"] for action in rule["action"]}),
            "url": f"{request.url.path.rstrip('/')}/{item['uid']}",
        }
        for item in found
    ]
    return JSONResponse({"agreements": summary})


@router.get("/agreements/{uid}")
async def agreement(request: Request, uid: str) -> Response:
    """Give an agreement as it was written (ODRL, JSON-LD), with its status now."""
    async with _pool(request).acquire() as conn:
        found = await store.agreement(conn, uid)
    if found is None:
        return missing(f"there is no agreement {uid!r}; they are listed at /trust/agreements")
    return JSONResponse(found, media_type="application/ld+json")
