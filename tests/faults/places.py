"""Every place where a value could have been left: topics, database dump, WAL, process output, engine logs, state."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from docker.local import locate
from docker.local.stack import profile
from tests.connectors.kafka_reader import read_topic
from tests.fixtures.postgres import Database

__all__ = ["Places"]


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look; `wal_from` is the place in the WAL where the test began."""

    database: Database
    kafka: str
    prefix: str
    wal_from: str
    outputs: dict[str, Path]

    @classmethod
    async def begin(cls, database: Database, kafka: str, prefix: str, outputs: dict[str, Path]) -> Places:
        """Note the end of the WAL before anything happens."""
        conn = await asyncpg.connect(database.dsn("admin"))
        try:
            return cls(database, kafka, prefix, await conn.fetchval("SELECT pg_current_wal_lsn()::text"), outputs)
        finally:
            await conn.close()

    async def holding(self, *needles: str) -> list[set[str]]:
        """Name, for each value, the places that hold it: as UTF-8, as hexadecimal, or as UTF-16."""
        contents = await self._contents()
        return [{place for place, found in contents.items() if _holds(found, needle)} for needle in needles]

    async def _contents(self) -> dict[str, list[bytes]]:
        found = await self._topics()
        found["dump"] = [await self._dump()]
        found["wal"] = await self._wal()
        for name, path in self.outputs.items():
            found[name] = list(_files(path))
        found["engine logs"] = list(_files(profile("test").folder / "logs"))
        return found

    async def _topics(self) -> dict[str, list[bytes]]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await admin.start()
        try:
            names = [one for one in await admin.list_topics() if one.startswith(self.prefix)]
            about = await admin.describe_topics(names)
        finally:
            await admin.close()
        found = {}
        for topic in about:
            reads = await read_topic(self.kafka, topic["topic"], len(topic["partitions"]))
            parts = [
                part for one in reads for part in (one.key or b"", one.value, *(value for _, value in one.headers))
            ]
            found[f"topic {topic['topic'].removeprefix(self.prefix)}"] = parts
        return found

    async def _dump(self) -> bytes:
        dump = locate.postgres_bin() / "pg_dump"
        process = await asyncio.create_subprocess_exec(
            str(dump), "--dbname", self.database.dsn("admin"), stdout=asyncio.subprocess.PIPE
        )
        text, _ = await process.communicate()
        assert process.returncode == 0
        return text

    async def _wal(self) -> list[bytes]:
        conn = await asyncpg.connect(self.database.dsn("admin"))
        try:
            rows = await conn.fetch(
                "SELECT pg_read_binary_file('pg_wal/' || name) AS bytes FROM pg_ls_waldir() "
                "WHERE name ~ '^[0-9A-F]{24}$' AND name >= pg_walfile_name($1::text::pg_lsn) "
                "AND name <= pg_walfile_name(pg_current_wal_lsn()) ORDER BY name",
                self.wal_from,
            )
            return [row["bytes"] for row in rows]
        finally:
            await conn.close()


def _holds(found: list[bytes], needle: str) -> bool:
    raw = needle.encode()
    forms = (raw, raw.hex().encode(), raw.hex().upper().encode(), needle.encode("utf-16-le"))
    return any(form in part for part in found for form in forms)


def _files(path: Path) -> Iterator[bytes]:
    for one in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if one.is_file():
            yield one.read_bytes()
