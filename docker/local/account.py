"""The unprivileged account that the engines run as when the stack is started by root. Standard library only.

PostgreSQL refuses to run as root, and no other engine needs to. Started by an ordinary user, everything runs as that
user. Started by root, the engines run as the system user `datapolis` (made when missing), else `postgres`, else
`nobody`; our own processes do as well where that user can execute this interpreter and read this checkout.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from docker.local.console import Trouble, say

__all__ = ["Account", "engine_account"]

_NAMES = ("datapolis", "postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a process runs as; `switch` is False when that is the invoking user already."""

    name: str
    uid: int
    gid: int
    switch: bool

    def own(self, folder: Path, mode: int = 0o700) -> Path:
        """Make a folder that this account owns, and hand back its path."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)
        if self.switch:
            os.chown(folder, self.uid, self.gid)
        return folder

    def hand_over(self, file: Path) -> Path:
        """Make this account the owner of a file."""
        if self.switch:
            os.chown(file, self.uid, self.gid)
        return file

    def run(self, command: list[str], env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end as this account, its output captured."""
        return subprocess.run(
            command,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            timeout=180,
            user=self.uid if self.switch else None,
            group=self.gid if self.switch else None,
            extra_groups=[] if self.switch else None,
        )

    def can(self, flag: str, path: Path) -> bool:
        """Ask as this account whether `test FLAG PATH` holds (for example `-r`, `-x`)."""
        return self.run(["/usr/bin/test", flag, str(path)]).returncode == 0


def engine_account() -> Account:
    """Choose the account for the engines."""
    if os.geteuid() != 0:
        entry = pwd.getpwuid(os.geteuid())
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch=False)
    if not _exists("datapolis"):
        _create("datapolis")
    for name in _NAMES:
        if _exists(name):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid, switch=True)
    raise Trouble(
        "The stack was started by root and no unprivileged user could be found or made.",
        "Run it as an ordinary user, or make one: useradd --system datapolis",
    )


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _create(name: str) -> None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        return
    command = [useradd, "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
    if subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0:
        say(f"made the system user {name!r} (no login, no home) to run the engines as")
