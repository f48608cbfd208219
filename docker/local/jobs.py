"""Long steps side by side, each with a log of its own and a line of progress now and then. Standard library only."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from docker.local.console import Trouble, say

__all__ = ["Job", "Log", "run_jobs"]

_HEARTBEAT_S = 15.0


@dataclass(frozen=True, slots=True)
class Log:
    """Runs commands of one job, writing what they print into the job's log."""

    name: str
    file: Path

    def run(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        remedy: str,
        timeout_s: float = 1200,
        cwd: Path | None = None,
    ) -> None:
        """Run a command to its end; when it fails, raise with the last lines of what it printed."""
        with self.file.open("a") as out:
            out.write(f"$ {' '.join(command)}\n")
            out.flush()
            try:
                answer = subprocess.run(
                    command, env=env, stdout=out, stderr=subprocess.STDOUT, check=False, timeout=timeout_s, cwd=cwd
                )
            except subprocess.TimeoutExpired as error:
                raise Trouble(f"{self.name}: {command[0]} did not end within {timeout_s:.0f} s.", remedy) from error
        if answer.returncode != 0:
            raise Trouble(f"{self.name}: {command[0]} failed: {self.tail()}", f"{remedy} Its whole log: {self.file}")

    def tail(self) -> str:
        """Return the last telling lines of the log."""
        lines = [line.strip() for line in self.file.read_text(errors="replace").splitlines() if line.strip()]
        return " | ".join(lines[-4:])[-600:]


@dataclass(frozen=True, slots=True)
class Job:
    """One step: what it does in a few words, the work, and the jobs that must have ended well before it."""

    name: str
    title: str
    work: Callable[[Log], None]
    after: tuple[str, ...] = ()


def run_jobs(jobs: Sequence[Job], logs: Path) -> None:
    """Run jobs side by side; raise the first trouble after all have ended."""
    if not jobs:
        return
    logs.mkdir(parents=True, exist_ok=True)
    ended = {job.name: threading.Event() for job in jobs}
    troubles: dict[str, Trouble] = {}
    began = time.monotonic()

    def run(job: Job) -> None:
        try:
            for name in job.after:
                if name in ended:
                    ended[name].wait()
            if any(name in troubles for name in job.after):
                say(f"{job.name}: not tried, because {' and '.join(job.after)} failed", "!")
                return
            say(f"{job.name}: {job.title}", ">")
            start = time.monotonic()
            log = Log(job.name, logs / f"{job.name}.log")
            log.file.write_text("")
            job.work(log)
            say(f"{job.name}: done in {time.monotonic() - start:.0f} s", "+")
        except Trouble as trouble:
            troubles[job.name] = trouble
            say(f"{job.name}: failed", "!")
        finally:
            ended[job.name].set()

    with ThreadPoolExecutor(max_workers=len(jobs)) as threads:
        futures = [threads.submit(run, job) for job in jobs]
        while not all(event.is_set() for event in ended.values()):
            if not _wait(ended.values(), _HEARTBEAT_S):
                busy = ", ".join(name for name, event in ended.items() if not event.is_set())
                say(f"still at work after {time.monotonic() - began:.0f} s: {busy} (logs: {logs})")
        for future in futures:
            future.result()
    for trouble in list(troubles.values())[1:]:
        say(f"{trouble.what} {trouble.remedy}", "!")
    for trouble in troubles.values():
        raise trouble


def _wait(events: Iterable[threading.Event], timeout_s: float) -> bool:
    """Wait until all events are set; False when the time ran out first."""
    deadline = time.monotonic() + timeout_s
    return all(event.wait(max(0.0, deadline - time.monotonic())) for event in events)
