"""Read the broker by its HTTP API (CIM 009 V1.9.1, 6.4), as the catalog itself or as the public.

Nothing here knows the broker's insides: every read passes its policy like anyone's, and brings back the audit receipt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import aiohttp
import orjson

from catalog.tokens import ServiceToken

__all__ = ["Broker", "BrokerRefused", "BrokerUnavailable", "Entity", "Page"]

Entity: TypeAlias = dict[str, Any]

_MAX_ANSWER = 64 * 1024 * 1024


class BrokerUnavailable(Exception):
    """The broker cannot be reached or failed; the text says which call and how."""


class BrokerRefused(Exception):
    """The broker will not answer this caller (401, 403) or this request (400, 404)."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status, self.title, self.detail = status, title, detail


@dataclass(frozen=True, slots=True)
class Page:
    """One page of entities (normalized form, names as the broker compacts them) and the receipt of its reading."""

    entities: tuple[Entity, ...]
    count: int | None
    receipt: str | None


class Broker:
    """The broker at one URL, read as one caller: with a token, or without as the public."""

    def __init__(
        self, http: aiohttp.ClientSession, url: str, token: ServiceToken | None = None, purpose: str = ""
    ) -> None:
        self._http, self._url, self._token, self._purpose = http, url.rstrip("/"), token, purpose

    async def entities(
        self,
        type_: str,
        tenant: str,
        limit: int,
        *,
        offset: int = 0,
        count: bool = False,
        extra: Mapping[str, str] | None = None,
    ) -> Page:
        """One page of a type. Raises BrokerRefused, BrokerUnavailable or TokenUnavailable."""
        params = {"type": type_, "limit": str(limit), **(extra or {})}
        if offset:
            params["offset"] = str(offset)
        if count:
            params["count"] = "true"
        status, headers, body = await self._get("/ngsi-ld/v1/entities", params, tenant)
        if status == 401 and self._token is not None:
            self._token.forget()
            status, headers, body = await self._get("/ngsi-ld/v1/entities", params, tenant)
        if status >= 500:
            raise BrokerUnavailable(f"{self._url}: {status} for entities of type {type_}: {_problem(body)[1]}")
        if status != 200:
            raise BrokerRefused(status, *_problem(body))
        found = headers.get("NGSILD-Results-Count", "")
        entities = tuple(e for e in body if isinstance(e, dict)) if isinstance(body, list) else ()
        return Page(entities, int(found) if found.isdigit() else None, headers.get("Datapolis-Audit"))

    async def _get(self, path: str, params: Mapping[str, str], tenant: str) -> tuple[int, Mapping[str, str], Any]:
        headers = {"Accept": "application/json"}
        if tenant != "default":
            headers["NGSILD-Tenant"] = tenant
        if self._purpose:
            headers["Data-Purpose"] = self._purpose
        if self._token is not None:
            headers["Authorization"] = f"Bearer {await self._token.value()}"
        try:
            async with self._http.get(self._url + path, params=params, headers=headers) as answer:
                raw = bytearray()
                async for chunk in answer.content.iter_any():
                    raw += chunk
                    if len(raw) > _MAX_ANSWER:
                        raise BrokerUnavailable(f"{self._url}{path}: over {_MAX_ANSWER} bytes; ask for fewer entities")
                return answer.status, answer.headers, orjson.loads(bytes(raw)) if raw else None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise BrokerUnavailable(f"{self._url}{path}: {type(error).__name__}: {error}") from error


def _problem(body: Any) -> tuple[str, str]:
    """(title, detail) of an error answer."""
    if not isinstance(body, dict):
        return "error", "no details given"
    return str(body.get("title") or "error"), str(body.get("detail") or body.get("title") or "no details given")
