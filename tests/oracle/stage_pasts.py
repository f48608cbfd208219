"""The oracle's deeds upon evolutions, purges and @contexts over HTTP, and what they come to in the store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from tests.fixtures.broker import Answer
from tests.fixtures.governed import DEFAULT_SCHEMA
from tests.oracle.governed import Stage
from tests.oracle.over_time import moment
from tests.oracle.pasts import DONE, WRITTEN, Deed, State
from tests.oracle.request import DENIED, MISSING
from tests.oracle.speech import full, path_of

__all__ = ["Contexts", "histories", "known"]

_VERDICTS: dict[int, Any] = {401: DENIED, 403: DENIED, 404: MISSING}
_NONE = "urn:ngsi-ld:Instance:00000000-0000-0000-0000-000000000000"


class Contexts:
    """The @contexts that a world's callers stored: their local ids by the oracle's numbers."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._ids: list[str] = []

    async def do(self, deed: Deed) -> tuple[str, Any]:
        """Do a deed; what was sent, and the answer in the oracle's terms."""
        method, path, body = await self._request(deed)
        given = await self._stage.governed.api.call(method, path, body, self._stage.headers(deed.caller))
        return f"{method} {path} {json.dumps(body)} as {deed.caller}", self._read(deed, given)

    async def _request(self, deed: Deed) -> tuple[str, str, Any]:
        if deed.kind == "purge" and deed.query is not None:
            said = path_of(replace(deed.query, door="retrieve"))[0].partition("?")[2]  # as a query, without a page
            return "DELETE", f"/entities?{said}" + (f"&drop={','.join(deed.drop)}" if deed.drop else ""), None
        if deed.kind.startswith("context"):
            return self._of_context(deed)
        below = f"/temporal/entities/{deed.entity}"
        if deed.kind in ("extend", "add"):
            body: dict[str, Any] = {}
            for attr, value, at in deed.instances:
                body.setdefault(attr, []).append({"type": "Property", "value": value, "observedAt": at})
            if deed.kind == "add":
                return "POST", f"{below}/attrs", body
            return "POST", "/temporal/entities", {"id": deed.entity, "type": list(deed.types), **body}
        if deed.kind == "forget":
            return "DELETE", below, None
        ((attr, value, at),) = deed.instances
        if deed.kind == "withdraw-all":
            return "DELETE", f"{below}/attrs/{attr}?deleteAll=true", None
        path = f"{below}/attrs/{attr}/{await self._instance(deed.entity, attr, at)}"
        if deed.kind == "withdraw":
            return "DELETE", path, None
        return "PATCH", path, {attr: [{"type": "Property", "value": value, "observedAt": at}]}

    def _of_context(self, deed: Deed) -> tuple[str, str, Any]:
        if deed.kind == "context-add":
            return "POST", "/jsonldContexts", {"@context": {f"t{len(self._ids)}": "https://city.example/t"}}
        if deed.kind == "context-list":
            return "GET", "/jsonldContexts?kind=Hosted", None
        name = self._ids[deed.context] if deed.context < len(self._ids) else "none"
        return ("GET" if deed.kind == "context-read" else "DELETE"), f"/jsonldContexts/{quote(name)}", None

    async def _instance(self, entity: str, attr: str, at: str) -> str:
        async with self._stage.governed.pool.lend(DEFAULT_SCHEMA) as conn:
            found = await conn.fetchval(
                "SELECT instance_id::text FROM history WHERE entity = $1 AND attr = $2 AND observed_at = $3",
                entity,
                full(attr),
                moment(at),
            )
        return f"urn:ngsi-ld:Instance:{found}" if found is not None else _NONE

    def _read(self, deed: Deed, given: Answer) -> Any:
        if given.status in _VERDICTS:
            return _VERDICTS[given.status]
        if given.status not in (200, 201, 204, 207):
            return ("status", given.status, given.body.decode())
        if deed.kind == "context-add":
            self._ids.append(given.headers["Location"].rpartition("/")[2])
        if deed.kind == "context-list":
            listed = {one.rpartition("/")[2] for one in given.json}
            return [number for number, name in enumerate(self._ids) if name in listed]
        if given.status != 207:
            return DONE
        errors = [
            (one["entityId"], _VERDICTS.get(one["error"]["status"], one["error"])) for one in given.json["errors"]
        ]
        return sorted(given.json["success"]), sorted(errors)


async def histories(stage: Stage, ids: Sequence[str]) -> dict[str, Any]:
    """Read what is written in the histories of entities, by attribute: instant and value."""
    async with stage.governed.pool.lend(DEFAULT_SCHEMA) as conn:
        rows = await conn.fetch(
            "SELECT entity, attr, observed_at, body FROM history "
            "WHERE entity = ANY($1) AND attr = ANY($2) AND kind = 'value'",
            list(ids),
            [full(one) for one in WRITTEN],
        )
    short = {full(one): one for one in WRITTEN}
    found: dict[str, Any] = {}
    for entity, attr, at, body in rows:
        past = found.setdefault(entity, {}).setdefault(short[attr], {})
        past[at.strftime("%Y-%m-%dT%H:%M:%SZ")] = json.loads(body)["value"]
    return found


def known(state: State, ids: Sequence[str]) -> dict[str, Any]:
    """Give the same of the oracle's own."""
    found = {one: {attr: past for attr, past in state.past.get(one, {}).items() if past} for one in ids}
    return {one: pasts for one, pasts in found.items() if pasts}
