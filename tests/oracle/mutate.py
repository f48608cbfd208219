"""Run the mutants: `python -m tests.oracle.mutate [NUMBER ...]`. Each is tried in a copy of the tree, one at a time.

Nothing else may use the test engines meanwhile: the copy's rules are loaded into them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from docker.local.stack import ROOT
from tests.oracle.mutants import MUTANTS, Mutant

__all__ = ["copied", "passes", "survives"]


@contextmanager
def copied() -> Iterator[Path]:
    """Copy what git knows of the tree; state and environment are the original's."""
    with TemporaryDirectory(prefix="mutants-") as folder:
        target = Path(folder)
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)  # noqa: S607
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (ROOT / name).is_file():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target / name)
        for shared in (".local", ".venv", ".uv"):
            if (ROOT / shared).exists():
                (target / shared).symlink_to(ROOT / shared)
        yield target


def passes(tree: Path, tests: Sequence[str], timeout_s: float = 600) -> bool:
    """Say whether tests pass in a tree; one that does not end in time does not."""
    # Without PROVE: the short form of every test is what must find the fault.
    kept = {name: value for name, value in os.environ.items() if name != "DATAPOLIS_PROVE"}
    environment = {**kept, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "DATAPOLIS_ORACLE_WORLDS": "4"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    try:
        ended = subprocess.run(command, cwd=tree, env=environment, capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return False
    if ended.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(tests)} did not run: {ended.stdout.decode()[-2000:]}")
    return ended.returncode == 0


def survives(tree: Path, mutant: Mutant) -> bool:
    """Say whether the tests pass with the fault in place; the tree is as before afterwards."""
    path = tree / mutant.file
    text = path.read_text()
    path.write_text(text.replace(mutant.old, mutant.new))
    try:
        return passes(tree, mutant.tests)
    finally:
        path.write_text(text)


def main(wanted: Sequence[int]) -> int:
    """Try the mutants of these numbers, or all; the number of survivors. A fault counts where the code passes."""
    survivors = 0
    sound: set[tuple[str, ...]] = set()
    with copied() as tree:
        for number in wanted or range(len(MUTANTS)):
            tests = MUTANTS[number].tests
            if tests not in sound and not passes(tree, tests):
                sys.exit(f"{' '.join(tests)} fails without any fault; mend that first")
            sound.add(tests)
            lives = survives(tree, MUTANTS[number])
            survivors += lives
            words = "SURVIVES" if lives else "found"
            sys.stdout.write(f"{number:3} {words:8} {MUTANTS[number].file}: {MUTANTS[number].new.strip()[:80]!r}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{survivors} survivors\n")
    return survivors


if __name__ == "__main__":
    sys.exit(min(main([int(one) for one in sys.argv[1:]]), 1))
