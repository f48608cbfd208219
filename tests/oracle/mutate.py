"""Run the mutants: `python -m tests.oracle.mutate [NUMBER ...]`. Each is tried in a copy of the tree, two at once.

A test that fails has found the fault if it passes without it. With DATAPOLIS_PROVE=1 a run goes on where it stopped.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from threading import Lock

from docker.local.stack import ROOT
from tests.oracle.mutants import MUTANTS, Mutant
from tests.oracle.progress import Progress

__all__ = ["survivors"]

AT_ONCE = 2
_RULES = Path("policies/rego")
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@contextmanager
def copied() -> Iterator[Path]:
    """Copy what git knows of the tree; state, environment and the rules that the engine serves are the original's."""
    with TemporaryDirectory(prefix="mutants-") as folder:
        target = Path(folder)
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)  # noqa: S607
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (ROOT / name).is_file() and not Path(name).is_relative_to(_RULES):
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target / name)
        for shared in (".local", ".venv", ".uv", str(_RULES)):
            if (ROOT / shared).exists():
                (target / shared).symlink_to(ROOT / shared)
        yield target


@contextmanager
def faulty(tree: Path, mutant: Mutant) -> Iterator[None]:
    """Put a fault into a tree until the block ends; one in the rules into a copy of them, which no engine serves."""
    rules = tree / _RULES
    of_rules = Path(mutant.file).is_relative_to(_RULES)
    if of_rules:
        rules.unlink()
        shutil.copytree(ROOT / _RULES, rules)
    path = tree / mutant.file
    text = path.read_text()
    path.write_text(text.replace(mutant.old, mutant.new))
    try:
        yield
    finally:
        path.write_text(text)
        if of_rules:
            shutil.rmtree(rules)
            rules.symlink_to(ROOT / _RULES)


def failing(tree: Path, tests: Sequence[str], timeout_s: float = 600) -> str | None:
    """Name the first test that fails in a tree; None where all pass. One that does not end in time fails."""
    # Without PROVE: the short form of every test is what must find the fault.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DATAPOLIS_PROVE")}
    environment = {**kept, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "DATAPOLIS_ORACLE_WORLDS": "4"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    try:
        ended = subprocess.run(command, cwd=tree, env=environment, capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return f"no end within {timeout_s:.0f} s"
    said = ended.stdout.decode()
    if ended.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(tests)} did not run: {said[-2000:]}")
    named = _FAILED.search(said)
    return None if ended.returncode == 0 else named[1] if named else said[-200:]


def survivors(wanted: Sequence[int]) -> list[int]:
    """Try the mutants of these numbers; tell of each what found it, and give those that nothing did."""
    turn = Lock()
    sound: set[str | None] = set()
    with ExitStack() as exits:
        done = exits.enter_context(Progress.of("mutants", 0, len(MUTANTS)))
        left = [number for number in done.left() if number in wanted]
        trees: SimpleQueue[Path] = SimpleQueue()
        for _ in range(AT_ONCE):
            trees.put(exits.enter_context(copied()))

        def tried(number: int) -> None:
            tree = trees.get()
            try:
                with faulty(tree, MUTANTS[number]):
                    found = failing(tree, MUTANTS[number].tests)
                if found is not None and found not in sound:
                    _check(tree, found if "::" in found else MUTANTS[number].tests)
            finally:
                trees.put(tree)
            with turn:
                sound.add(found)
                done.add(number, found is None)
                sys.stdout.write(f"{number:3} {found or 'SURVIVES'}  {MUTANTS[number].file}: {MUTANTS[number].new!r}\n")
                sys.stdout.flush()

        with ThreadPoolExecutor(max_workers=AT_ONCE) as threads:
            list(threads.map(tried, left))
        return [number for number in done.having(1) if number in wanted]


def _check(tree: Path, tests: str | Sequence[str]) -> None:
    """Make sure that a test passes without any fault; one that fails for another reason has found nothing."""
    named = [tests] if isinstance(tests, str) else tests
    fails = failing(tree, named)
    if fails is not None:
        raise RuntimeError(f"{fails} fails without any fault; mend that first")


def main(named: Sequence[int]) -> int:
    """Try the mutants of these numbers, or all; 1 where one survives."""
    left = survivors(named or range(len(MUTANTS)))
    sys.stdout.write(f"{len(left)} survivors {left or ''}\n")
    return bool(left)


if __name__ == "__main__":
    sys.exit(main([int(one) for one in sys.argv[1:]]))
