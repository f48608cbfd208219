"""Use of the data, by hour: counted from the sealed audit records, each record once.

A record names every agreement that its decision rested on, also of domains that the request did not touch. Where the
request names a type (its `type` parameter, or the type in the id of an entity), only the agreements of that type's
domains are counted as used; else all of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson

from policies.store import usage as store
from policies.store.connect import Conn

__all__ = ["Use", "count", "tally"]

_MOST = 5000
_TYPE = re.compile(r"[?&]type=([^&]*)")
_ID = re.compile(r"/urn(?::|%3A)ngsi-ld(?::|%3A)([A-Za-z0-9_]+)(?::|%3A)", re.IGNORECASE)
_NAMES = re.compile(r"[A-Za-z0-9_:/.#-]+")


class Use(NamedTuple):
    """What is counted apart; `agreement` is empty where each request counts once."""

    hour: datetime
    tenant: str
    domain: str
    agreement: str
    party: str
    purpose: str
    action: str
    outcome: str


def _types(request: str) -> set[str]:
    """Read the short names of the types that a request names."""
    found = _TYPE.search(request)
    if found is not None:
        return {re.split("[/#]", name)[-1] for name in _NAMES.findall(unquote(found[1]))}
    named = _ID.search(request)
    return {named[1]} if named is not None else set()


def _touched(record: Mapping[str, Any], domain_of: Mapping[str, str], domain_types: Mapping[str, set[str]]) -> set[str]:
    """Tell which domains a request touched."""
    all_ = {domain_of[uid] for uid, _ in record["agreements"] if uid in domain_of}
    types = _types(record["request"])
    named = {name for name in all_ if domain_types.get(name, set()) & types}
    return named or all_


def tally(
    records: Iterable[str], domain_of: Mapping[str, str], domain_types: Mapping[str, set[str]]
) -> dict[Use, tuple[int, int]]:
    """Count requests and entities. `domain_of`: by agreement; `domain_types`: short names by domain."""
    requests: Counter[Use] = Counter()
    entities: Counter[Use] = Counter()
    for text in records:
        record = orjson.loads(text)
        if record["door"] == "steward":
            continue
        hour = datetime.fromisoformat(record["at"]).replace(minute=0, second=0, microsecond=0)
        touched = _touched(record, domain_of, domain_types)
        rest = (record["caller"], record["purpose"], record["action"], record["outcome"])
        kinds = [Use(hour, record["tenant"], domain, "", *rest) for domain in (touched or {""})]
        kinds += [
            Use(hour, record["tenant"], domain_of[uid], uid, *rest)
            for uid in {uid for uid, _ in record["agreements"]}
            if domain_of.get(uid) in touched
        ]
        for kind in kinds:
            requests[kind] += 1
            entities[kind] += record["entities"]
    return {kind: (number, entities[kind]) for kind, number in requests.items()}


async def count(conn: Conn) -> bool:
    """Count the next sealed records; tells whether there may be more."""
    async with conn.transaction():
        first = await store.counted(conn)
        records = await store.records(conn, first, _MOST)
        if not records:
            return False
        counted = tally(
            [record for _, record in records if record is not None],
            await store.domain_of_agreements(conn),
            await store.types_of_domains(conn),
        )
        await store.add(conn, [(*kind, *numbers) for kind, numbers in sorted(counted.items())])
        await store.set_counted(conn, records[-1][0] + 1)
    return len(records) == _MOST
