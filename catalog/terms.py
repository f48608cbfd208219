"""What the trust publishes: domains in force, agreements, impact assessments; and the feeds that the city declares.

Read by HTTP like an outsider would, so that anyone can recompute the gates from the same answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from catalog.dataset import Agreement, Assessment, DomainFacts, Origin
from catalog.harvest import moment

__all__ = [
    "TermsUnavailable",
    "agreements",
    "assessments",
    "domains",
    "origins",
    "read_assessments",
    "read_terms",
]

_READING = frozenset(("read", "temporal", "aggregate", "subscribe", "export"))
_PARALLEL = 8


class TermsUnavailable(Exception):
    """What the trust publishes cannot be read; the text says what and how."""


async def domains(http: aiohttp.ClientSession, base_url: str) -> dict[str, dict[str, Any]]:
    """Every domain in force, as it was declared, by name. Raises TermsUnavailable."""
    body = await _read(http, f"{base_url.rstrip('/')}/trust/domains")
    return {str(given["name"]): given for given in (body or {}).get("domains", ())}


async def agreements(
    http: aiohttp.ClientSession, base_url: str, domains: Sequence[DomainFacts], machinery: frozenset[str] = frozenset()
) -> dict[str, tuple[Agreement, ...]]:
    """The agreements in force of each domain, but those of `machinery` (the platform's own services).
    Raises TermsUnavailable."""
    gate = asyncio.Semaphore(_PARALLEL)

    async def one(domain: DomainFacts) -> tuple[Agreement, ...]:
        async with gate:
            url = f"{base_url.rstrip('/')}/trust/terms/{quote(domain.name, safe='')}"
            body = await _read(http, url)
        if body is None:
            raise TermsUnavailable(f"{url}: answered 404; are the domains applied?")
        return tuple(a for a in read_terms(domain, body, datetime.now(UTC)) if a.assignee not in machinery)

    return dict(zip([d.name for d in domains], await asyncio.gather(*map(one, domains)), strict=True))


async def assessments(http: aiohttp.ClientSession, base_url: str) -> dict[str, tuple[Assessment, ...]]:
    """The impact assessments that are published, by domain; none where the trust publishes none at all."""
    body = await _read(http, f"{base_url.rstrip('/')}/trust/assessments")
    return read_assessments(body or {})


async def origins(http: aiohttp.ClientSession, base_url: str) -> dict[str, tuple[Origin, ...]]:
    """The feeds that the city declares, by domain. Raises TermsUnavailable."""
    body = await _read(http, f"{base_url.rstrip('/')}/feeds")
    found: dict[str, list[Origin]] = {}
    for given in (body or {}).get("feeds", ()):
        origin = Origin(**{**given, "types": tuple(given["types"])})
        found.setdefault(origin.domain, []).append(origin)
    return {name: tuple(each) for name, each in found.items()}


async def _read(http: aiohttp.ClientSession, url: str) -> dict[str, Any] | None:
    """A JSON object; None where there is no such thing."""
    try:
        async with http.get(url, headers={"Accept": "application/json"}) as answer:
            body = orjson.loads(await answer.read())
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise TermsUnavailable(f"{url}: {type(error).__name__}: {error}") from error
    if answer.status == 404:
        return None
    if answer.status != 200 or not isinstance(body, dict):
        raise TermsUnavailable(f"{url}: answered {answer.status}; is the catalog serving?")
    return body


def read_assessments(body: Mapping[str, Any]) -> dict[str, tuple[Assessment, ...]]:
    """The assessments of one answer, by domain; one that is not approved, or says no end, is none."""
    found: dict[str, list[Assessment]] = {}
    for given in body.get("assessments", ()):
        until = moment(given.get("valid_until") or (given.get("valid") or {}).get("until") or given.get("expires"))
        uid, domain = given.get("id") or given.get("uid"), given.get("domain")
        if until is not None and uid and domain and given.get("status", "approved") in ("approved", "active"):
            summary = given.get("summary")
            found.setdefault(domain, []).append(Assessment(uid, until, summary if isinstance(summary, str) else ""))
    return {name: tuple(each) for name, each in found.items()}


def read_terms(domain: DomainFacts, body: Mapping[str, Any], now: datetime) -> list[Agreement]:
    """The agreements of one answer that let somebody read, and are in force at `now`."""
    return [a for given in body.get("agreements", ()) if (a := _agreement(domain, given, now)) is not None]


def _agreement(domain: DomainFacts, given: Mapping[str, Any], now: datetime) -> Agreement | None:
    valid = given.get("valid") or {}
    start, until = moment(valid.get("from")), moment(valid.get("until"))
    if given.get("status") != "active" or (start and start > now) or (until and until <= now):
        return None
    types: list[str] = []
    purposes: list[str] = []
    for permission in given.get("permission", ()):
        actions = permission.get("action") or ()
        if not _READING.intersection([actions] if isinstance(actions, str) else actions):
            continue
        types += (permission.get("target") or {}).get("types") or domain.types
        purposes += _purposes(permission)
    if not types:
        return None
    return Agreement(
        given["uid"], given["version"], given["assignee"], tuple(dict.fromkeys(types)), tuple(purposes), until
    )


def _purposes(permission: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for constraint in permission.get("constraint", ()):
        if constraint.get("leftOperand") == "purpose" and constraint.get("operator") in ("isA", "eq", "isAnyOf"):
            right = constraint.get("rightOperand")
            found += right if isinstance(right, list) else [right]
    return found
