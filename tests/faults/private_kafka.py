"""A Kafka of a test's own, which can be killed without taking the shared one from other tests."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from docker.local import credentials
from docker.local.account import engine_account
from docker.local.engines import kafka_program
from docker.local.program import Program
from docker.local.stack import profile

__all__ = ["PrivateKafka", "private_kafka"]


class PrivateKafka:
    """One broker process on ports of its own."""

    def __init__(self, program: Program, port: int, uid: int | None, gid: int | None, log: Path, folder: Path) -> None:
        self.bootstrap = f"127.0.0.1:{port}"
        self.passwords = credentials.load(folder)
        """By name as in `secrets.env`; asked for by a guarded one."""
        self._program = program
        self._uid, self._gid = uid, gid
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; it is ready some seconds later (`ready`)."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._program.command, cwd=self._program.directory, stdout=log, stderr=log,
                user=self._uid, group=self._gid, extra_groups=None if self._uid is None else [],
            )  # fmt: skip

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def wait(self, within_s: float = 120) -> None:
        """Wait until it answers, where no event loop runs."""
        deadline = time.monotonic() + within_s
        while not self._program.ready():
            assert self._process is None or self._process.poll() is None, self._log.read_text()[-3000:]
            assert time.monotonic() < deadline, self._log.read_text()[-3000:]
            time.sleep(0.1)

    async def ready(self, within_s: float = 120) -> None:
        """Wait until it answers."""
        async with asyncio.timeout(within_s):
            while not await asyncio.to_thread(self._program.ready):
                assert self._process is None or self._process.poll() is None, self._log.read_text()[-3000:]
                await asyncio.sleep(0.2)


def _free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def private_kafka(
    log: Path, properties: Callable[[int, int], str] | None = None, *, guarded: bool = False
) -> Iterator[PrivateKafka]:
    """Start a Kafka with empty logs, beside the test engines' folder; remove all of it at the end.

    A `guarded` one wants a log-in and denies by default, as that of the stack.
    `properties` writes more settings, which go before the usual ones, from the ports of Kafka and of its controller.
    """
    shared = profile("test")
    ports = {**shared.ports, "kafka": _free(), "kafka_controller": _free()}
    folder = shared.folder.parent / f"{shared.folder.name}-kafka-{ports['kafka']}"
    instance = replace(shared, folder=folder, ports=ports)
    account = engine_account()
    account.own(instance.folder, 0o711)
    try:
        program = kafka_program(instance, account, guarded=guarded)
        if properties is not None:
            with Path(program.command[-1]).open("a") as settings:
                settings.write(properties(ports["kafka"], ports["kafka_controller"]))
        uid, gid = (account.uid, account.gid) if account.switch else (None, None)
        broker = PrivateKafka(program, ports["kafka"], uid, gid, log, instance.folder)
        try:
            yield broker
        finally:
            broker.kill()
    finally:
        shutil.rmtree(instance.folder, ignore_errors=True)
