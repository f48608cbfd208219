"""The suite under policies: a made-up city whose public agreement has one grant per type, each with a filter.

The suite calls without a token, so it is the party `public`. No grant is a wildcard: each names one type, and
each has a filter that is true of whatever the suite stores: queries carry it, and nothing is hidden by it. Those to
register sources have none: no filter can be known to hold of what lies elsewhere, so one with a filter covers nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import yaml

from docker.local.stack import profile
from tests.bench.environment import city_in_force, issuing
from tests.fixtures.governed import PATIENT
from tests.fixtures.postgres import Database

__all__ = ["Counted", "governing", "suite_types"]

MARK = "2000-01-01T00:00:07Z"
_MARKED = MARK.rstrip("Z").encode()
_FOLLOW_S = 0.2
FILTER = f"createdAt>{MARK}"
"""True of all that is stored; the odd second tells it in the server's log."""
_DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"
_SUITE = "https://ngsi-ld-test-suite/context#"
_IN_CONTEXT = ("Building", "Vehicle", "OffStreetParking")
_NAME = r"[^\W\d_][\w-]*"
_TYPE = re.compile(rf'"type"\s*:\s*"({_NAME})"|\btype=([A-Z][A-Za-z]+)')
_TYPES = re.compile(rf'"type"\s*:\s*\[((?:\s*"{_NAME}"\s*,?)+)\]')
_PUBLISH = ["publish"]
_REGISTER = ["register"]
_OTHER = ["read", "temporal", "aggregate", "export", "subscribe", "delete", "tenant", "manage"]
_VALID = {"from": "2026-01-01T00:00:00Z", "until": "2036-01-01T00:00:00Z"}
# Tenants that the suite uses; those that it draws by lot end in a number that `robot_side` makes count up.
_TENANTS = ("tp414a", "tp414b", "urnalias-a", "urnalias-b")
_DRAWN = ("tp5510", "tp577a", "tp577b", "tp5134")
_DRAWS = range(10000, 10008)


@dataclass(frozen=True, slots=True)
class Counted:
    """What a governed broker's processes need, and what was counted of its decisions."""

    database: Database
    environment: Mapping[str, str]
    statements: Statements

    def read(self) -> tuple[int, int]:
        """Give audited decisions, and statements that carried the filter."""
        return asyncio.run(_decisions(self.database)), self.statements.so_far()


class Statements:
    """Counts the logged statements of a database that carry the filter, while the block runs.

    The log is followed as it grows: its supervisor moves it away every few seconds, so much is written to it.
    """

    def __init__(self, log: Path, database: str) -> None:
        self._log = log
        self._of = f"@{database} DETAIL:  parameters: ".encode()
        self._carried = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow)

    def __enter__(self) -> Statements:
        self._file = self._log.open("rb")
        self._file.seek(0, os.SEEK_END)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._file.close()

    def so_far(self) -> int:
        """Give the count, once what was written before has been read."""
        time.sleep(3 * _FOLLOW_S)
        return self._carried

    def _follow(self) -> None:
        rest = b""
        while not self._stop.wait(_FOLLOW_S):
            moved = self._moved()
            *lines, rest = (rest + self._file.read()).split(b"\n")
            self._carried += sum(self._of in line and _MARKED in line for line in lines)
            if moved:
                self._file.close()
                self._file, rest = self._log.open("rb"), b""

    def _moved(self) -> bool:
        try:
            return self._log.stat().st_ino != os.fstat(self._file.fileno()).st_ino
        except FileNotFoundError:
            return False


async def _decisions(database: Database) -> int:
    connection = await asyncpg.connect(database.dsn("admin"), timeout=10)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM policies.audit_pending"))
    finally:
        await connection.close(timeout=10)


def suite_types(suite: Path) -> list[str]:
    """Give the IRI of every entity type in the suite's data and cases, by both @contexts that it uses."""
    names: set[str] = set()
    for folder in (suite / "data", suite / "TP"):
        for file in folder.rglob("*"):
            if file.suffix in (".json", ".jsonld", ".robot", ".resource"):
                text = file.read_text(errors="replace")
                names.update(one or other for one, other in _TYPE.findall(text))
                names.update(name for several in _TYPES.findall(text) for name in re.findall(_NAME, several))
    names |= {f"TenantAType{number}" for number in _DRAWS}
    found = {_DEFAULT + name for name in names} | {_SUITE + name for name in _IN_CONTEXT}
    return sorted(found)


@contextmanager
def governing(database: Database, types: list[str], folder: str) -> Iterator[Counted]:
    """Put the agreement into force in `database`; statements are logged from then on."""
    with ExitStack() as stack:
        city = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _write_city(city, types, folder)
        city_in_force(database, city)
        issuer = stack.enter_context(issuing())
        asyncio.run(_log_statements(database))
        environment = {
            **issuer.environment(),
            "DATAPOLIS_OPA_URL": database.engines.opa,
            "DATAPOLIS_CITY": str(city),
            **PATIENT,
        }
        log = profile("test").folder / "logs" / "postgres.log"
        yield Counted(database, environment, stack.enter_context(Statements(log, database.name)))


async def _log_statements(database: Database) -> None:
    connection = await asyncpg.connect(database.dsn("admin"), timeout=10)
    try:
        await connection.execute(f"ALTER DATABASE {database.name} SET log_statement = 'all'")
        await connection.execute(f"ALTER DATABASE {database.name} SET log_parameter_max_length = 4096")
    finally:
        await connection.close(timeout=10)


def _write_city(city: Path, types: list[str], folder: str) -> None:
    """Write the made-up city: one domain and one agreement per tenant that the folder's cases use."""
    several = folder.startswith(("CommonBehaviours", "jsonldContext")) or "/Discovery" in folder
    tenants = ["default"]
    if several:
        tenants += [*_TENANTS, *(f"{name}{number}" for name in _DRAWN for number in _DRAWS)]
    document: dict[str, Any] = {
        "name": "Suite",
        "languages": ["en"],
        "time_zone": "UTC",
        "tenants": [{"name": name, "title": {"en": name}} for name in tenants],
        "parties": {"urn:party:suite": "The suite", "urn:party:steward": "Stewards"},
    }
    (city / "city.yaml").write_text(yaml.safe_dump(document))
    (city / "context.jsonld").write_text(json.dumps({"@context": {}}))
    for part in ("domains", "agreements"):
        (city / part).mkdir()
    for name in tenants:
        (city / "domains" / f"{name}.yaml").write_text(yaml.safe_dump(_domain(name, types)))
        for actions in (_PUBLISH, _REGISTER, _OTHER):
            file = city / "agreements" / f"{name}-{actions[0]}.jsonld"
            file.write_text(json.dumps(_agreement(name, types, actions)))


def _domain(tenant: str, types: list[str]) -> dict[str, Any]:
    return {
        "name": tenant,
        "title": {"en": tenant},
        "owner": "urn:party:suite",
        "steward": "urn:party:steward",
        "tenant": tenant,
        "types": types,
        "classification": "open",
        "purposes": ["dpv:PublicBenefit"],
    }


def _agreement(tenant: str, types: list[str], actions: list[str]) -> dict[str, Any]:
    narrowed: dict[str, Any] = {"feeds": ["suite"]} if actions == _PUBLISH else {}
    if actions != _REGISTER:
        narrowed["q"] = FILTER
    return {
        "@context": ["http://www.w3.org/ns/odrl.jsonld", "https://datapolis.example/ns/trust.jsonld"],
        "@type": "Agreement",
        "uid": f"urn:suite:agreement:{tenant}-{actions[0]}",
        "profile": "https://datapolis.example/ns/trust",
        "version": 1,
        "status": "active",
        "domain": tenant,
        "assigner": "urn:party:suite",
        "assignee": "tier:public",
        "valid": _VALID,
        "permission": [{"action": actions, "target": {"types": [one], **narrowed}} for one in types],
    }
