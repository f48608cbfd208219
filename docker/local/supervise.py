"""Start, watch and stop one instance's processes under supervisor (PyPI `supervisor`), whose files stand in its folder.

supervisord is a daemon of this instance alone, spoken to over a Unix socket. Every process carries the environment
variable DATAPOLIS_INSTANCE, so that `stop` can prove that nothing is left, even when supervisord itself was killed.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from docker.local.console import Trouble, say
from docker.local.ports import owner_of
from docker.local.program import Program
from docker.local.stack import Profile

__all__ = ["Supervisor", "log_tail"]


class Supervisor:
    """The supervisord of one instance."""

    def __init__(self, profile: Profile) -> None:
        """Name the files; nothing is started."""
        self.folder = profile.folder
        self._port_variable = "DATAPOLIS_TEST_PORT_" if profile.name == "test" else "DATAPOLIS_PORT_"
        self.logs = profile.folder / "logs"
        self.config = profile.folder / "supervisord.conf"
        self._pidfile = profile.folder / "supervisord.pid"
        self._marker = f"DATAPOLIS_INSTANCE={profile.folder}"
        self._socket = _socket_path(profile.folder)

    def running(self) -> bool:
        """Say whether supervisord answers."""
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except (OSError, Fault):
            return False

    def configure(self, programs: Sequence[Program]) -> None:
        """Write supervisord.conf and start supervisord, or let a running one take up the change."""
        self.logs.mkdir(parents=True, exist_ok=True)
        self._socket.parent.mkdir(mode=0o700, exist_ok=True)
        text = self._text(programs)
        descriptor = os.open(self.config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        if self.running():
            self._reread()
        else:
            self._sweep()
            self._launch()

    def start(self, programs: Sequence[Program], timeout_s: float) -> None:
        """Start programs together and wait until each is ready, saying so one by one."""
        for program in programs:
            if not self._up(program.name):
                self._refuse_taken_ports(program)
        began = time.monotonic()
        for program in programs:
            if not self._up(program.name):
                self._call("startProcess", program.name, False)
        waiting = list(programs)
        while waiting:
            for program in [each for each in waiting if each.ready()]:
                say(f"{program.name} is ready{_where(program)} ({time.monotonic() - began:.1f} s)", "+")
                waiting.remove(program)
            self._refuse_dead(waiting)
            if waiting and time.monotonic() - began > timeout_s:
                names = ", ".join(program.name for program in waiting)
                tail = log_tail(self.logs / f"{waiting[0].name}.log")
                raise Trouble(f"Not ready after {timeout_s:.0f} s: {names}. {tail}", f"See the logs in {self.logs}.")
            if waiting:
                time.sleep(0.1)

    def states(self) -> dict[str, tuple[str, int]]:
        """Return state and process id per program; empty when supervisord is down."""
        try:
            rows: list[dict[str, Any]] = self._call("getAllProcessInfo")
        except (OSError, Fault):
            return {}
        return {row["name"]: (row["statename"], row["pid"]) for row in rows}

    def stop(self, timeout_s: float = 60) -> None:
        """Stop every program and supervisord itself, and leave no process of this instance."""
        if self.running():
            self._call("shutdown")
        deadline = time.monotonic() + timeout_s
        while self._members() and time.monotonic() < deadline:
            if not self.running() and time.monotonic() > deadline - timeout_s + 3:
                break
            time.sleep(0.1)
        self._sweep()
        shutil.rmtree(self._socket.parent, ignore_errors=True)

    def _sweep(self) -> None:
        """End what is left of this instance when its supervisord is gone or cannot be spoken to any more."""
        for sign, wait_s in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
            left = self._members()
            for pid in left:
                _kill(pid, sign)
            end = time.monotonic() + wait_s
            while left and self._members() and time.monotonic() < end:
                time.sleep(0.1)
        left = self._members()
        if left:
            raise Trouble(f"These processes would not stop: {sorted(left)}.", "Stop them by hand: kill -9 PID")

    def _members(self) -> set[int]:
        """Return the live processes of this instance: by marker in their environment, and PostgreSQL by its pid file.

        PostgreSQL overwrites its environment block with its title, so the marker does not find it.
        """
        found = {pid for pid in _processes() if self._marked(pid)}
        postmaster = self.folder / "postgres" / "postmaster.pid"
        try:
            pid = int(postmaster.read_text().splitlines()[0])
            if "postgres" in Path(f"/proc/{pid}/cmdline").read_text():
                found.add(pid)
        except (OSError, ValueError, IndexError):
            pass
        return found - {os.getpid()}

    def _marked(self, pid: int) -> bool:
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if self._marker.encode() not in environment:
                return False
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    def _up(self, name: str) -> bool:
        return self.states().get(name, ("", 0))[0] in {"RUNNING", "STARTING"}

    def _refuse_taken_ports(self, program: Program) -> None:
        for name, port in program.ports.items():
            holder = owner_of(port)
            if holder:
                variable = self._port_variable + name.upper()
                raise Trouble(
                    f"Port {port} ({name}) is in use by {holder}.",
                    f"Stop that process, or choose another port: {variable}=NUMBER before the same command.",
                )

    def _refuse_dead(self, programs: Sequence[Program]) -> None:
        states = self.states()
        for program in programs:
            if states.get(program.name, ("", 0))[0] in {"FATAL", "EXITED"}:
                log = self.logs / f"{program.name}.log"
                raise Trouble(f"{program.name} stopped right after its start. {log_tail(log)}", f"Its whole log: {log}")

    def _launch(self) -> None:
        daemon = Path(sys.executable).parent / "supervisord"
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
        environment["DATAPOLIS_INSTANCE"] = str(self.folder)
        answer = subprocess.run(
            [str(daemon), "-c", str(self.config)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            cwd="/",
        )
        deadline = time.monotonic() + 15
        while not self.running():
            if answer.returncode != 0 or time.monotonic() > deadline:
                raise Trouble(
                    f"supervisord did not start: {(answer.stderr or answer.stdout).strip()[-300:]}",
                    f"See {self.logs / 'supervisord.log'}.",
                )
            time.sleep(0.05)

    def _reread(self) -> None:
        added, changed, removed = self._call("reloadConfig")[0]
        for name in (*changed, *removed):
            self._call("stopProcessGroup", name, True)
            self._call("removeProcessGroup", name)
        for name in (*added, *changed):
            self._call("addProcessGroup", name)

    def _call(self, method: str, *arguments: object) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        with ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)

    def _text(self, programs: Sequence[Program]) -> str:
        head = f"""\
; Written by docker/local at every start.
[unix_http_server]
file = {self._socket}
chmod = 0700
[supervisord]
logfile = {self.logs / "supervisord.log"}
pidfile = {self._pidfile}
logfile_maxbytes = 5MB
logfile_backups = 1
loglevel = warn
{"user = root" if os.geteuid() == 0 else ""}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
        return head + "".join(self._section(program) for program in programs)

    def _section(self, program: Program) -> str:
        environment = {
            **program.environment,
            "DATAPOLIS_RELOAD": hashlib.sha256(program.reload_key.encode()).hexdigest()[:12],
        }
        pairs = ",".join(f"{name}={_quoted(name, value)}" for name, value in sorted(environment.items()))
        return f"""\
[program:{program.name}]
command = {_escape(shlex.join(program.command))}
directory = {program.directory}
{f"user = {program.user}" if program.user else ""}
environment = {pairs}
autostart = false
autorestart = true
startsecs = 1
startretries = 5
stopsignal = {program.stop_signal}
stopwaitsecs = {program.stop_wait_s}
stopasgroup = {str(program.stop_group).lower()}
killasgroup = true
redirect_stderr = true
stdout_logfile = {self.logs / program.name}.log
stdout_logfile_maxbytes = 20MB
stdout_logfile_backups = 1
"""


def _socket_path(folder: Path) -> Path:
    """Return where supervisord listens: in the folder, else (sockets' paths end at 107 bytes) under /tmp."""
    path = folder / "supervisor" / "control.sock"
    if len(os.fsencode(path)) < 90:  # supervisord binds a longer, temporary name first
        return path
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"datapolis-{os.geteuid()}-{digest}" / "control.sock"


def log_tail(log: Path, lines: int = 6) -> str:
    """Return the last lines of a log as one sentence, for a message."""
    try:
        text = log.read_text(errors="replace").strip().splitlines()[-lines:]
    except OSError:
        return ""
    return "Last lines of its log: " + " | ".join(text) if text else "Its log is empty."


def _escape(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(name: str, value: str) -> str:
    """Quote a value for supervisor's `environment`, which knows both quotes but no escapes."""
    quote = "'" if '"' in value else '"'
    if quote in value or "\n" in value or value != value.strip("'\""):
        raise Trouble(f"The value of {name} mixes quotes or has several lines.", "Set it to plain text on one line.")
    return f"{quote}{_escape(value)}{quote}"


def _where(program: Program) -> str:
    return f" on port {next(iter(program.ports.values()))}" if program.ports else ""


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _kill(pid: int, sign: signal.Signals) -> None:
    try:
        os.kill(pid, sign)
    except ProcessLookupError:
        return
