"""Run the cases of one folder in a Robot process, which is never waited for without end."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from docker.local.console import Trouble
from docker.local.stack import LOCAL, ROOT
from tests.conformance.robot.suite import ROOT_OF_CASES

__all__ = ["Case", "Outcome", "interpreter", "listed", "run_folder"]

_HERE = Path(__file__).parent
_CASE_S = 60
_SILENT_S = 150


@dataclass(frozen=True, slots=True, order=True)
class Case:
    """One test case: its file below TP/NGSI-LD, and its name."""

    file: str
    name: str

    @property
    def folder(self) -> str:
        """The folder of its file."""
        return self.file.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a case ended; `message` is Robot's, one line."""

    case: Case
    passed: bool
    message: str


def interpreter() -> Path:
    """Give the Python that has Robot, made on first use and remade when its requirements change."""
    folder, wanted = LOCAL / "robot", _HERE / "requirements.txt"
    python, stamp = folder / "bin" / "python", folder / "requirements.txt"
    if python.exists() and stamp.exists() and stamp.read_bytes() == wanted.read_bytes():
        return python
    uv = str(ROOT / ".uv" / "bin" / "uv")
    for command in (
        [uv, "venv", "--quiet", "--clear", str(folder)],
        [uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(wanted)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Trouble(
                f"Robot Framework cannot be installed: {done.stderr.strip()}", "Check the network, then repeat."
            )
    stamp.write_bytes(wanted.read_bytes())
    return python


def listed(python: Path, suite: Path, wanted: tuple[str, ...]) -> list[Case]:
    """List the cases of folders or files below TP/NGSI-LD, in the order in which they run."""
    base = suite / ROOT_OF_CASES
    absent = [name for name in wanted if not (base / name).exists()]
    if absent:
        raise Trouble(f"The suite has no {', '.join(absent)}.", f"Name folders or files below {ROOT_OF_CASES}.")
    done = subprocess.run(
        [str(python), str(_HERE / "robot_side.py"), *(str(base / name) for name in wanted)],
        cwd=suite,
        env=_environment(suite),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise Trouble(f"Robot cannot read the suite: {done.stderr.decode()[-2000:]}", "Is it a whole checkout?")
    found = {Case(str(Path(file).relative_to(base)), name) for file, name in orjson.loads(done.stdout)}
    return sorted(found)


def run_folder(
    python: Path, suite: Path, cases: list[Case], variables: Mapping[str, str], work: Path
) -> dict[Case, Outcome]:
    """Run the cases of one folder and give each one's outcome; one that did not end has failed, and says so."""
    work.mkdir(parents=True, exist_ok=True)
    found: dict[Case, Outcome] = {}
    files = sorted({case.file for case in cases})
    while files:
        events = work / f"events-{len(files)}.jsonl"
        events.write_bytes(b"")  # not what an earlier run left
        whole = _robot(python, suite, files, variables, work, events)
        ended = _read(suite, events)
        found |= ended
        if whole:
            break
        # The file after the last one that ended is the one that hung; the rest goes on without it.
        done = {case.file for case in ended}
        hung = next((file for file in files if file not in done), None)
        files = [file for file in files if file not in done and file != hung]
    return {case: found.get(case, Outcome(case, False, "it did not end, or was not run")) for case in cases}


def _robot(python: Path, suite: Path, files: list[str], variables: Mapping[str, str], work: Path, events: Path) -> bool:
    command = [str(python), "-m", "robot", "--console", "none", "--log", "NONE", "--report", "NONE"]
    command += ["--outputdir", str(work), "--output", "output.xml", "--removekeywords", "PASSED", "--nostatusrc"]
    command += ["--prerunmodifier", f"robot_side.Timeouts:{_CASE_S}", "--listener", f"robot_side.Listener:{events}"]
    for name, value in variables.items():
        command += ["--variable", f"{name}:{value}"]
    command += [str(Path(ROOT_OF_CASES) / file) for file in files]
    with (work / "robot.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=suite, env=_environment(suite), stdout=log, stderr=log)
        while True:
            try:
                process.wait(1)
                return True
            except subprocess.TimeoutExpired:
                if time.time() - events.stat().st_mtime > _SILENT_S:
                    process.kill()
                    process.wait()
                    return False


def _read(suite: Path, events: Path) -> dict[Case, Outcome]:
    base = suite / ROOT_OF_CASES
    found = {}
    for line in events.read_bytes().splitlines():
        event = orjson.loads(line)
        case = Case(str(Path(event["file"]).relative_to(base)), event["name"])
        lines = [text.strip() for text in event["message"].splitlines() if text.strip()]
        found[case] = Outcome(case, event["status"] == "PASS", " ".join(lines)[:400])
    return found


def _environment(suite: Path) -> dict[str, str]:
    paths = (suite, suite / "libraries", suite / "libraries" / "robotframework-httpctrl" / "src", _HERE)
    return {
        **os.environ,
        "PYTHONPATH": ":".join(str(path) for path in paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
