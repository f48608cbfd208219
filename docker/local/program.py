"""One supervised process: its command, whom it runs as, which ports it takes, and how to tell that it is ready."""

from __future__ import annotations

import http.client
import socket
import struct
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Probe", "Program", "http_ready", "kafka_ready", "postgres_ready", "tcp_ready"]

Probe = Callable[[], bool]


def tcp_ready(port: int) -> Probe:
    """Ready when something accepts connections on the loopback port."""

    def probe() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
        except OSError:
            return False

    return probe


def postgres_ready(pg_isready: Path, port: int) -> Probe:
    """Ready when PostgreSQL accepts sessions; its port is open earlier, while it still recovers."""

    def probe() -> bool:
        command = [str(pg_isready), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "2"]
        return subprocess.run(command, check=False, timeout=10).returncode == 0

    return probe


def kafka_ready(port: int) -> Probe:
    """Ready when Kafka answers an ApiVersions request; its port is open earlier, while it still registers."""
    request = struct.pack(">ihhih", 10, 18, 0, 1, -1)

    def probe() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
                connection.sendall(request)
                return len(connection.recv(8)) == 8
        except OSError:
            return False

    return probe


def http_ready(port: int, path: str) -> Probe:
    """Ready when GET on the loopback port answers 200."""

    def probe() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return probe


@dataclass(frozen=True, slots=True)
class Program:
    """What supervisor is told about one process; `reload_key` changes when a restart is needed."""

    name: str
    command: list[str]
    directory: Path
    ready: Probe
    ports: Mapping[str, int] = field(default_factory=dict)
    user: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    stop_wait_s: int = 15
    stop_group: bool = True
    reload_key: str = ""
