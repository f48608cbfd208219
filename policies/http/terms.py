"""Domains, the terms offered in them, and the agreements: JSON for programs, pages for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from policies.http.agreement_page import show
from policies.http.pages import VARY, language_for, page, wants_page
from policies.http.problems import missing
from policies.http.who import desk_of, visitor
from policies.http.words import deal
from policies.store import terms as store
from policies.store.connect import Conn, Pool

__all__ = ["router"]

router = APIRouter()


def _pool(request: Request) -> Pool:
    pool: Pool = request.app.state.trust_pool
    return pool


async def _missing(request: Request, conn: Conn, detail: str) -> Response:
    """Say that there is no such thing, to people on a page."""
    if not wants_page(request):
        return missing(detail)
    return page(request, "missing.html", await store.parties(conn), 404, detail=detail)


def _how_to_apply(domain: Mapping[str, Any]) -> str:
    contact = (domain["contact"] or "").removeprefix("mailto:")
    where = f"Write to {contact}" if contact else "Ask the domain's owner"
    return f"{where} and name your organisation, the purpose (a DPV term), the attributes, the area and how long."


@router.get("/domains")
async def domains(request: Request) -> Response:
    """List all domains as they were declared, names in full."""
    async with _pool(request).acquire() as conn:
        found = await store.domains(conn)
        if wants_page(request):
            return page(request, "domains.html", await store.parties(conn), domains=found)
    return JSONResponse({"domains": found}, headers=VARY)


@router.get("/terms")
async def all_terms(request: Request) -> Response:
    """List where each domain's terms are."""
    base = str(request.url).partition("?")[0].rstrip("/")
    async with _pool(request).acquire() as conn:
        found = await store.domains(conn)
        if wants_page(request):
            return page(request, "all-terms.html", await store.parties(conn), domains=found)
    links = [{"domain": item["name"], "title": item["title"], "url": f"{base}/{item['name']}"} for item in found]
    return JSONResponse({"terms": links}, headers=VARY)


@router.get("/terms/{domain}")
async def terms(request: Request, domain: str) -> Response:
    """Say what may be done with a domain's data, by whom, for which purposes, and how to apply for more."""
    async with _pool(request).acquire() as conn:
        declared = await store.domain(conn, domain)
        if declared is None:
            return await _missing(
                request, conn, f"there is no domain {domain!r}; the domains are listed at /trust/domains"
            )
        agreements = await store.agreements(conn, domain)
        offers = await store.offers(conn, domain)
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
        "offers": offers,
    }
    if wants_page(request):
        lang = language_for(request)
        deals = sorted((deal(item, parties, lang) for item in agreements), key=lambda one: not one.public)
        offered = [deal(item, parties, lang) for item in offers]
        return page(request, "terms.html", parties, terms=body, deals=deals, offered=offered)
    return JSONResponse(body, headers=VARY)


@router.get("/agreements")
async def agreements(request: Request, domain: str | None = None) -> Response:
    """List the current agreements: who may do what, for which purposes, until when."""
    async with _pool(request).acquire() as conn:
        found = await store.agreements(conn, domain)
        if wants_page(request):
            return await _listing(request, conn, found, domain)
    summary = [
        {
            **{name: item[name] for name in ("uid", "version", "status", "title", "domain", "assignee", "valid")},
            "actions": sorted({action for rule in item["permission"] for action in rule["action"]}),
            "url": f"{request.url.path.rstrip('/')}/{item['uid']}",
        }
        for item in found
    ]
    return JSONResponse({"agreements": summary}, headers=VARY)


async def _listing(request: Request, conn: Conn, found: list[dict[str, Any]], domain: str | None) -> Response:
    """Show agreements by domain, those open to everybody first."""
    parties, lang = await store.parties(conn), language_for(request)
    titles = {each["name"]: lang.text(each["title"]) for each in await store.domains(conn)}
    deals = sorted((deal(item, parties, lang) for item in found), key=lambda one: not one.public)
    groups = [(name, title, [one for one in deals if one.domain == name]) for name, title in titles.items()]
    return page(request, "agreements.html", parties, groups=groups, titles=titles, chosen=domain)


@router.get("/agreements/{uid}")
async def agreement(request: Request, uid: str) -> Response:
    """Give an agreement as it was written (ODRL, JSON-LD), with its status now."""
    if wants_page(request):
        return await show(request, desk_of(request), await visitor(request), uid)
    async with _pool(request).acquire() as conn:
        found = await store.agreement(conn, uid)
    if found is None:
        return missing(f"there is no agreement {uid!r}; they are listed at /trust/agreements")
    return JSONResponse(found, headers=VARY, media_type="application/ld+json")
