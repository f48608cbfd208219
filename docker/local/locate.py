"""Where each engine is installed on this machine, or the sentence that says how to get it. Standard library only."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from docker.local.console import Trouble
from docker.local.stack import cache_folder, versions

__all__ = [
    "chromium",
    "go",
    "java",
    "kafka_libs",
    "mariadbd",
    "maven",
    "mosquitto",
    "oidc",
    "opa",
    "postgres_bin",
    "regal",
    "wrk",
]

_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REMEDY = "Run: make engines"


def postgres_bin() -> Path:
    """Return the folder with `postgres` and `initdb`, of the pinned major version or newer, that has PostGIS."""
    least = int(versions()["postgres"])
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    for name in ("initdb", "pg_ctl"):
        on_path = shutil.which(name)
        if on_path:
            found.append(Path(on_path).resolve().parent)
    able = {path: _postgres_major(path) for path in found}
    able = {path: major for path, major in able.items() if major >= least and _has_postgis(path)}
    if not able:
        raise Trouble(f"PostgreSQL {least} or newer with PostGIS is not installed.", _REMEDY)
    return min(able, key=lambda path: able[path])


def mosquitto() -> Path:
    """Return the MQTT broker."""
    return _program("mosquitto", "Mosquitto (the MQTT broker)")


def mariadbd() -> Path:
    """Return the MariaDB server, which the connectors' tests read from."""
    return _program("mariadbd", "MariaDB (a database for the tests)")


def java() -> Path:
    """Return a Java run-time new enough for Kafka."""
    path = _program("java", "A Java run-time")
    least = int(versions()["java"])
    major = _version_of([str(path), "-version"], r'version "(\d+)')
    if major is None or int(major) < least:
        raise Trouble(f"{path} is Java {major}, but Kafka needs {least} or newer.", _REMEDY)
    return path


def kafka_libs() -> Path:
    """Return the folder of Kafka's jars."""
    return _cached(f"kafka-{versions()['kafka']}/libs", f"kafka_2.13-{versions()['kafka']}.jar", "Kafka")


def opa() -> Path:
    """Return Open Policy Agent of the pinned version."""
    return _cached(f"opa-{versions()['opa']}/bin", "opa", "Open Policy Agent") / "opa"


def oidc() -> Path:
    """Return the OpenID provider of the pinned version, which tests sign in at."""
    return _cached(f"oidc-{versions()['oidc']}/bin", "server", "The OpenID provider (for the tests)") / "server"


def regal() -> Path | None:
    """Return the Rego linter of the pinned version, else one on the PATH, else None."""
    built = cache_folder() / f"regal-{versions()['regal']}" / "bin" / "regal"
    if built.exists():
        return built
    on_path = shutil.which("regal")
    return Path(on_path) if on_path else None


def chromium() -> Path:
    """Return a Chromium-family browser."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name, path=_path())
        if path:
            return Path(path)
    raise Trouble("Chromium (for the browser tests) is not installed.", _REMEDY)


def wrk() -> Path:
    """Return wrk, the load generator of the benchmarks."""
    return _program("wrk", "wrk (for the benchmarks)")


def maven() -> Path:
    """Return Maven, which fetches Kafka."""
    return _program("mvn", "Maven")


def go() -> Path | None:
    """Return the system's Go when it is new enough to build OPA."""
    path = shutil.which("go", path=_path())
    found = _version_of([path, "version"], r"go(\d+\.\d+)") if path else None
    if path is None or found is None or _numbers(found) < _numbers(versions()["go"]):
        return None
    return Path(path)


def _program(name: str, title: str) -> Path:
    path = shutil.which(name, path=_path())
    if path is None:
        raise Trouble(f"{title} is not installed.", _REMEDY)
    return Path(path)


def _path() -> str:
    return os.environ.get("PATH", "") + ":" + _SYSTEM


def _cached(folder: str, file: str, title: str) -> Path:
    path = cache_folder() / folder
    if not (path / file).exists():
        raise Trouble(f"{title} is not in {cache_folder()} ({folder}/{file} is missing).", _REMEDY)
    return path


def _postgres_major(folder: Path) -> int:
    found = _version_of([str(folder / "initdb"), "--version"], r"(\d+)\.\d+|(\d+)")
    return int(found or 0)


def _has_postgis(folder: Path) -> bool:
    pg_config = folder / "pg_config"
    if pg_config.exists():
        answer = subprocess.run([str(pg_config), "--sharedir"], capture_output=True, text=True, check=False, timeout=20)
        share = Path(answer.stdout.strip())
    else:
        share = Path("/usr/share/postgresql") / folder.parent.name
    return (share / "extension" / "postgis.control").exists()


def _version_of(command: list[str], pattern: str) -> str | None:
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    match = re.search(pattern, answer.stdout + answer.stderr)
    return next((group for group in match.groups() if group), None) if match else None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
