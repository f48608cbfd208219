"""Bring an instance's engines up and down; safe to call from several processes at once (one file lock per instance)."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from docker import migrate
from docker.local import credentials
from docker.local.account import Account, engine_account
from docker.local.console import Trouble, say
from docker.local.engines import engine_programs
from docker.local.environment import DATABASE, dsn, process_environment
from docker.local.program import Program
from docker.local.services import ONE_SHOTS, service_programs
from docker.local.stack import LOCAL, ROOT, Profile
from docker.local.supervise import Supervisor

__all__ = ["down", "engines_up", "locked", "once", "prepare_folder", "up"]

_ENGINE_WAIT_S = 90.0
_SERVICE_WAIT_S = 90.0
_ROOM_NEEDED = 2 * 1024**3


@contextmanager
def locked(profile: Profile) -> Iterator[None]:
    """Hold the instance's lock, so that two commands never start or stop it together."""
    LOCAL.mkdir(exist_ok=True)
    with (LOCAL / f"{profile.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def engines_up(profile: Profile) -> list[Program]:
    """Start the four engines where they do not run already; return their programs. Call it under `locked`."""
    account = engine_account()
    profile = prepare_folder(profile, account)
    credentials.load(profile.folder)
    programs = engine_programs(profile, account)
    supervisor = Supervisor(profile)
    supervisor.configure(programs)
    supervisor.start(programs, _ENGINE_WAIT_S)
    return programs


def up(profile: Profile, *, demo: bool) -> None:
    """Start the whole stack: engines, schema, topics, domains and agreements, then our processes. Under `locked`."""
    account = engine_account()
    if profile.open_access:
        _empty(profile)
    profile = prepare_folder(profile, account)
    credentials.load(profile.folder)
    engines = engine_programs(profile, account)
    services = service_programs(profile, demo=demo)
    supervisor = Supervisor(profile)
    supervisor.configure([*engines, *services])
    supervisor.start(engines, _ENGINE_WAIT_S)
    _create_database(profile)
    for name in ONE_SHOTS:
        once(profile, name)
    supervisor.start(services, _SERVICE_WAIT_S)


def _empty(profile: Profile) -> None:
    """Remove the store of the open instance: it starts empty every time."""
    Supervisor(profile).stop()
    if profile.folder.exists():
        shutil.rmtree(profile.folder)


def _create_database(profile: Profile) -> None:
    """Create the database when it is missing."""
    asyncio.run(migrate.create_database(dsn(profile, "admin", "postgres"), DATABASE))


def once(profile: Profile, name: str) -> None:
    """Run a one-shot command of ours to its end."""
    command = ["-m", *ONE_SHOTS[name]]
    answer = subprocess.run(
        [sys.executable, *command],
        env=process_environment(profile, name),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    lines = (answer.stdout + answer.stderr).strip().splitlines()
    if answer.returncode != 0:
        raise Trouble(
            f"`python {' '.join(command)}` failed: {' | '.join(lines[-6:])}",
            "Mend what it names, then run the same command again.",
        )
    say(f"{name}: {lines[-1] if lines else 'done'}", "+")


def down(profile: Profile) -> bool:
    """Stop everything of an instance; say whether anything ran. Call it under `locked`."""
    supervisor = Supervisor(profile)
    ran = supervisor.running()
    supervisor.stop()
    return ran


def prepare_folder(profile: Profile, account: Account) -> Profile:
    """Make the instance's folder where the engines' account can reach it; return the profile with its real place."""
    _refuse_full_disk(ROOT)
    LOCAL.mkdir(mode=0o755, exist_ok=True)
    profile.folder.mkdir(mode=0o755, exist_ok=True)
    if account.switch and not account.can("-x", profile.folder):
        _move_outside(profile, account)
    return replace(profile, folder=profile.folder.resolve())


def _move_outside(profile: Profile, account: Account) -> None:
    """Put the data under /var/tmp, with a symbolic link here: the account cannot enter a folder above this checkout."""
    digest = hashlib.sha256(str(profile.folder).encode()).hexdigest()[:12]
    outside = Path("/var/tmp") / f"datapolis-{digest}"  # noqa: S108 - our own folder, checked for its owner below
    outside.mkdir(mode=0o755, exist_ok=True)
    if outside.is_symlink() or outside.stat().st_uid != os.geteuid():
        raise Trouble(
            f"{outside} belongs to another user.", "Remove it, or move this checkout to where others can read."
        )
    if not profile.folder.is_symlink():
        shutil.copytree(profile.folder, outside, dirs_exist_ok=True)
        shutil.rmtree(profile.folder)
        profile.folder.symlink_to(outside)
        say(f"the user {account.name!r} cannot enter this checkout, so engine data stands in {outside}", "~")


def _refuse_full_disk(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < _ROOM_NEEDED:
        raise Trouble(
            f"Only {free // 1024**2} MB are free on the disk of {folder}, and the engines need about 2000 MB.",
            "Make room, then run the same command again.",
        )
