"""Worker processes that tests start, kill and watch."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

__all__ = ["Worker", "consumed", "until", "workers"]


class Worker:
    """One worker process, started anew under the same name after each kill."""

    def __init__(
        self,
        name: str,
        roles: list[str],
        environment: Mapping[str, str],
        log: Path,
        program: tuple[str, ...] = ("broker", "work"),
    ) -> None:
        self.name = name
        self._roles = roles
        self._program = ("tests.faults.worker",) if "--without-key" in roles else program
        self._environment = {**os.environ, **environment, "DATAPOLIS_WORKER": name, "DATAPOLIS_ADMIN_PORT": "0"}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; its output goes to the log."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._program, *self._roles],
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """SIGKILL: no drain, no goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def stop(self) -> int:
        """SIGTERM; return the exit status."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(15)
        finally:
            self._process.kill()
            self._process = None

    def ended(self) -> bool:
        """Whether the process has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def output(self) -> str:
        """What it has said."""
        return self._log.read_text() if self._log.exists() else ""


@asynccontextmanager
async def workers(*wanted: Worker) -> AsyncIterator[None]:
    """End every process at the end, however the test ends."""
    try:
        yield
    finally:
        for one in wanted:
            one.kill()


async def until(condition: Callable[[], Awaitable[bool]], *, within_s: float, what: str, worker: Worker) -> None:
    """Wait until a condition holds; fail with the worker's last words."""
    try:
        async with asyncio.timeout(within_s):
            while not await condition():
                assert not worker.ended(), f"the worker ended while waiting for {what}:\n{worker.output()[-4000:]}"
                await asyncio.sleep(0.02)
    except TimeoutError as error:
        raise AssertionError(f"no {what} within {within_s} s:\n{worker.output()[-4000:]}") from error


async def consumed(conn: asyncpg.Connection[asyncpg.Record], consumer: str, topic: str | None = None) -> int:
    """Count the records whose effect is committed, over all partitions, of one topic or of all."""
    return int(
        await conn.fetchval(
            "SELECT coalesce(sum(next), 0) FROM broker.ingest_offsets "
            "WHERE consumer = $1 AND ($2::text IS NULL OR topic = $2)",
            consumer,
            topic,
        )
    )
