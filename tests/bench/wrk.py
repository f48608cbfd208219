"""The load generator, and the bare server that answers are measured against."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from docker.local.stack import ROOT
from tests.fixtures.broker import free_port

__all__ = ["answer_bytes", "bare_server", "load", "needed"]

_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_TAIL = re.compile(r"\s99%\s+([\d.]+)(us|ms|s)")
_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_FAILED = re.compile(r"Non-2xx or 3xx responses:\s+(\d+)|Socket errors: (.*)")


def needed() -> None:
    """Say what to do where there is no load generator."""
    if shutil.which("wrk") is None:
        raise RuntimeError("the load generator wrk is not installed; apt-get install wrk")


@contextmanager
def bare_server(environment: Mapping[str, str], app: str = "tests.bench.static:app", workers: int = 1) -> Iterator[str]:
    """Run an ASGI application with the broker's own server and options; give its URL."""
    port = free_port()
    options = ["--interface", "asgi", "--loop", "uvloop", "--backlog", "4096", "--log-level", "warning"]
    options += ["--port", str(port), "--workers", str(workers)]
    process = subprocess.Popen(
        [sys.executable, "-m", "granian", *options, app], cwd=ROOT, env={**os.environ, **environment}
    )
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def load(url: str, headers: Mapping[str, str], script: str | None) -> tuple[float, float]:
    """Load a URL for one second; return answers a second and the 99th percentile of their time in ms."""
    command = [shutil.which("wrk") or "wrk", "-t1", "-c64", "-d1s", "--latency"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    if script is not None:
        command += ["-s", script]
    answer = subprocess.run([*command, url], capture_output=True, text=True, timeout=60, check=True).stdout
    failed = _FAILED.search(answer)
    rate = _RATE.search(answer)
    tail = _TAIL.search(answer)
    if failed is not None or rate is None or tail is None:
        raise RuntimeError(f"{url}: {answer}")
    return float(rate[1]), float(tail[1]) * _MS[tail[2]]


def answer_bytes(url: str, headers: Mapping[str, str]) -> bytes:
    """Get a URL."""
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - our own process
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own process
            body: bytes = answer.read()
            return body
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{url}: {error.code} {error.read()[:500]!r}") from error
