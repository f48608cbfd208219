"""Which agreements are in force in each domain, as the trust publishes them at /trust/terms/{domain}.

Read by HTTP like an outsider would, so that anyone can recompute the policy gate from the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from catalog.dataset import Agreement, DomainFacts
from catalog.harvest import moment

__all__ = ["TermsUnavailable", "agreements", "read_terms"]

_READING = frozenset(("read", "temporal", "aggregate", "subscribe", "export"))


class TermsUnavailable(Exception):
    """The trust's published terms cannot be read; the text says which and how."""


async def agreements(
    http: aiohttp.ClientSession, base_url: str, domains: Sequence[DomainFacts], machinery: frozenset[str] = frozenset()
) -> dict[str, tuple[Agreement, ...]]:
    """The agreements in force of each domain, but those of `machinery` (the platform's own services).
    Raises TermsUnavailable."""
    found: dict[str, tuple[Agreement, ...]] = {}
    for domain in domains:
        url = f"{base_url.rstrip('/')}/trust/terms/{quote(domain.name, safe='')}"
        try:
            async with http.get(url, headers={"Accept": "application/json"}) as answer:
                body = orjson.loads(await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise TermsUnavailable(f"{url}: {type(error).__name__}: {error}") from error
        if answer.status != 200 or not isinstance(body, dict):
            raise TermsUnavailable(f"{url}: answered {answer.status}; is the catalog serving, are the domains applied?")
        read = read_terms(domain, body, datetime.now(UTC))
        found[domain.name] = tuple(a for a in read if a.assignee not in machinery)
    return found


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
