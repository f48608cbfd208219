"""First steps on a bare machine: `python3 -m docker.local.bootstrap setup engines [--browser] [--load]`.

Standard library only.

`setup` puts uv into a virtual environment of its own (`.uv`) and from the lock file everything else into `.venv`;
`engines` installs, fetches and builds what the stack runs on. Asked for together they run side by side. What is there
already is left alone, so a second run takes a moment.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
from pathlib import Path

from docker.local.console import Trouble, run_cli, say
from docker.local.install import engine_jobs
from docker.local.jobs import Job, Log, run_jobs
from docker.local.stack import ROOT, cache_folder, versions

__all__ = ["main"]

_UV = ROOT / ".uv" / "bin" / "uv"
_STAMP = ROOT / ".venv" / ".datapolis-lock"
_ROOM_NEEDED = 3 * 1024**3


def main() -> int:
    """Run the asked steps."""
    parser = argparse.ArgumentParser(prog="python3 -m docker.local.bootstrap")
    parser.add_argument("steps", nargs="+", choices=["setup", "engines"])
    parser.add_argument("--browser", action="store_true", help="also Chromium and an OpenID provider, for the tests")
    parser.add_argument("--load", action="store_true", help="also wrk, for the benchmarks")
    asked = parser.parse_args()
    jobs: list[Job] = []
    if "setup" in asked.steps and not _synced():
        jobs.append(Job("setup", "installing the Python dependencies of uv.lock into .venv", _sync, after=("system",)))
    if "engines" in asked.steps:
        jobs += engine_jobs(asked.browser, asked.load)
    if not jobs:
        say(f"{' and '.join(asked.steps)}: everything is there already", "+")
        return 0
    _refuse_full_disk()
    run_jobs(jobs, cache_folder() / "logs")
    return 0


def _sync(log: Log) -> None:
    if not _UV.exists():
        _make_uv(log)
    command = [
        str(_UV),
        "sync",
        "--frozen",
        "--python",
        sys.executable,
        "--no-python-downloads",
        "--project",
        str(ROOT),
    ]
    remedy = "Check the network (or the index settings of this machine), then run the same command again."
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    log.run(command, env=environment, remedy=remedy, cwd=ROOT)
    _STAMP.write_text(_lock_digest())


def _make_uv(log: Log) -> None:
    folder = _UV.parents[1]
    remedy = "Install the venv module (Debian: apt-get install python3-venv), then run the same command again."
    try:
        log.run([sys.executable, "-m", "venv", str(folder)], remedy=remedy)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", f"uv=={versions()['uv']}"]
        log.run(pip, remedy="Check the network (or pip's settings on this machine), then run the same command again.")
    except Trouble:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _synced() -> bool:
    return (ROOT / ".venv" / "bin" / "python").exists() and _STAMP.exists() and _STAMP.read_text() == _lock_digest()


def _lock_digest() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for name in ("uv.lock", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def _refuse_full_disk() -> None:
    for folder in {ROOT, _existing(cache_folder())}:
        free = shutil.disk_usage(folder).free
        if free < _ROOM_NEEDED:
            raise Trouble(
                f"Only {free // 1024**2} MB are free on the disk of {folder}, and the set-up needs about 3000 MB.",
                "Make room (or point XDG_CACHE_HOME at another disk), then run the same command again.",
            )


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


if __name__ == "__main__":
    run_cli(main)
