"""Packages of the system (apt) that the engines come from, installed without starting a service of theirs.

Standard library only. Debian's PostgreSQL package makes and starts a cluster, and Mosquitto's a service; for the length
of the installation a policy-rc.d refuses every start and PostgreSQL is told to make no cluster. Both files are removed
again (a policy-rc.d that stood there before is put back).
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from docker.local import locate
from docker.local.console import Trouble, say
from docker.local.jobs import Log
from docker.local.stack import versions

__all__ = ["install", "missing"]

_POLICY = Path("/usr/sbin/policy-rc.d")
_CLUSTERS = Path("/etc/postgresql-common/createcluster.d")
_SERVICES = {"mosquitto": "mosquitto", "postgresql": "postgresql", "mariadb-server": "mariadb"}


def missing(browser: bool, load: bool = False) -> list[str]:
    """Name what this machine lacks: postgresql, mosquitto, java, maven, venv and, when asked for, chromium."""
    probes: dict[str, Callable[[], object]] = {
        "postgresql": locate.postgres_bin,
        "mosquitto": locate.mosquitto,
        "java": locate.java,
        "maven": locate.maven,
    }
    if load:
        probes["wrk"] = locate.wrk
    if browser:
        probes["chromium"] = locate.chromium
        # The browser's driver is a program that a bare Debian has not all libraries of.
        probes["libatomic1"] = _libatomic
        # A second database for the connectors' tests; the stack itself does without.
        probes["mariadb-server"] = locate.mariadbd
    # Debian's Python comes without what `python -m venv` needs.
    probes["venv"] = _venv
    return [name for name, probe in probes.items() if not _there(probe)]


def install(names: list[str], log: Log) -> None:
    """Install packages for the given names by apt-get, as root."""
    apt = shutil.which("apt-get")
    if apt is None:
        raise Trouble(
            f"Missing on this machine: {', '.join(names)}; and there is no apt-get to install them with.",
            "Install them with this system's package manager (PostgreSQL 15+ with PostGIS, Mosquitto, Java 17+, Maven, "
            "Chromium), then run the same command again.",
        )
    if os.geteuid() != 0:
        raise Trouble(
            f"Missing on this machine: {', '.join(names)}; and this user may not install packages.",
            f"Run once as root: apt-get update && apt-get install -y {' '.join(_packages(names))}",
        )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _no_services(names):
        log.run([apt, "update"], env=environment, remedy="Check the network and /etc/apt/sources.list, then try again.")
        packages = _packages(names)
        say(f"{log.name}: installing {' '.join(packages)}")
        command = [apt, "install", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"]
        command += ["-o", "DPkg::Lock::Timeout=300"]
        log.run([*command, *packages], env=environment, remedy="Read the log, mend apt, then try again.")
    still = [name for name in missing(browser=True, load=True) if name in names]
    if still:
        raise Trouble(f"Still missing after the installation: {', '.join(still)}.", f"Its log: {log.file}")


def _libatomic() -> None:
    try:
        ctypes.CDLL("libatomic.so.1")
    except OSError as error:
        raise Trouble("libatomic (for the browser's driver) is not installed.", "Run: make engines-all") from error


def _there(probe: Callable[[], object]) -> bool:
    try:
        probe()
    except Trouble:
        return False
    return True


def _venv() -> None:
    if importlib.util.find_spec("ensurepip") is None:
        raise Trouble("Python's venv module is not whole.", "Install python3-venv.")


def _packages(names: list[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        if name == "postgresql":
            major = _postgres_major()
            found += [f"postgresql-{major}", f"postgresql-{major}-postgis-3"]
        elif name == "java":
            found.append("default-jre-headless")
        elif name == "venv":
            found.append(f"python3.{sys.version_info.minor}-venv")
        else:
            found.append(name)
    return found


def _postgres_major() -> int:
    """Return the oldest PostgreSQL, from the pinned version on, that this system packages PostGIS for."""
    least = int(versions()["postgres"])
    command = ["apt-cache", "search", "--names-only", "^postgresql-[0-9]+-postgis-3$"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    able = sorted(int(number) for number in re.findall(r"postgresql-(\d+)-postgis-3 ", answer.stdout))
    return next((major for major in able if major >= least), least)


@contextmanager
def _no_services(names: list[str]) -> Iterator[None]:
    """Keep packages from starting, enabling or making services while they are installed."""
    before = _POLICY.read_bytes() if _POLICY.exists() else None
    mode = _POLICY.stat().st_mode if before is not None else 0
    clusters = _CLUSTERS / "zz-datapolis.conf"
    made = [folder for folder in (_CLUSTERS.parent, _CLUSTERS) if not folder.exists()]
    _CLUSTERS.mkdir(parents=True, exist_ok=True)
    try:
        clusters.write_text("create_main_cluster = false\n")
        _POLICY.write_text("#!/bin/sh\nexit 101\n")
        _POLICY.chmod(0o755)
        yield
    finally:
        clusters.unlink(missing_ok=True)
        if before is None:
            _POLICY.unlink(missing_ok=True)
        else:
            _POLICY.write_bytes(before)
            _POLICY.chmod(mode)
        for folder in reversed(made):
            if not any(folder.iterdir()):
                folder.rmdir()
        _keep_disabled(names)


def _keep_disabled(names: list[str]) -> None:
    """Leave a service that came with our installation disabled, so that it does not start with the machine."""
    systemctl = shutil.which("systemctl")
    units = [unit for name, unit in _SERVICES.items() if name in names]
    if systemctl and units:
        subprocess.run([systemctl, "disable", *units], capture_output=True, check=False, timeout=60)
