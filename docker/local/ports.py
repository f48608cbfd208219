"""Who holds a port on this machine, read from /proc. Standard library only."""

from __future__ import annotations

import os
import socket
from pathlib import Path

__all__ = ["owner_of"]

_LISTEN = "0A"


def owner_of(port: int) -> str | None:
    """Return the holder of a TCP port that we could not bind ("nginx (process 812)"), or None when the port is free."""
    if _free(port):
        return None
    inodes = _listeners(port)
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and inodes & _socket_inodes(entry):
            name = (entry / "comm").read_text().strip()
            return f"{name} (process {entry.name})"
    return "another process, whose name this user may not read"


def _free(port: int) -> bool:
    for address in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - asked about, never served on
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def _listeners(port: int) -> set[str]:
    found: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
        except OSError:
            continue
        found |= {row[9] for row in rows if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port}
    return found


def _socket_inodes(process: Path) -> set[str]:
    found: set[str] = set()
    try:
        for descriptor in (process / "fd").iterdir():
            target = os.readlink(descriptor)
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:
        return found
    return found
