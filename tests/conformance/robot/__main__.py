"""`python -m tests.conformance.robot SUITE [FOLDER ...]`: run the suite's groups and write RESULTS.md."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from docker.local.console import Trouble, run_cli, say
from docker.local.stack import LOCAL, ROOT
from tests.bench.environment import database
from tests.conformance.robot import cases as robot
from tests.conformance.robot import suite as suites
from tests.conformance.robot.broker import emptied, fresh_broker
from tests.conformance.robot.cases import Case, Outcome
from tests.conformance.robot.contexts import serving
from tests.conformance.robot.governed import Counted, governing, suite_types
from tests.conformance.robot.results import Run, report, subgroup, unexplained
from tests.fixtures.broker import free_port
from tests.fixtures.postgres import Database

GROUPS = (
    "CommonBehaviours",
    "ContextInformation/Consumption",
    "ContextInformation/Provision",
    "ContextSource/Discovery",
    "ContextSource/Registration",
    "jsonldContext",
)
"""Those of the table. Not those of notifications: they are timed by waits, so how busy the machine is decides."""
RESULTS = ROOT / "tests" / "conformance" / "RESULTS.md"
Advance = Callable[[str, int], None]
WORK = LOCAL / "conformance"


class Access(StrEnum):
    """With policies or without, or once each."""

    open = "open"
    governed = "governed"
    both = "both"


def main(
    suite: Annotated[Path, typer.Argument(help="a checkout of github.com/marek-mraz/ngsi-ld-test-suite")],
    folders: Annotated[list[str] | None, typer.Argument(help=f"below TP/NGSI-LD; none: {', '.join(GROUPS)}")] = None,
    access: Annotated[Access, typer.Option(help="open, governed, or both")] = Access.both,
    write: Annotated[bool, typer.Option(help="write tests/conformance/RESULTS.md (whole groups only)")] = True,
) -> None:
    """Run the suite; the exit code is 0 when every failure is explained.

    Example: python -m tests.conformance.robot ~/ngsi-ld-test-suite ContextInformation/Provision --access open
    """
    run_cli(lambda: _main(suite.resolve(), tuple(folders or GROUPS), access, write and not folders))


def _main(clone: Path, folders: tuple[str, ...], access: Access, write: bool) -> int:
    python = robot.interpreter()
    with serving() as contexts:
        copy = suites.copied(clone, WORK / "suite", contexts.url)
        contexts.documents = suites.context_documents(copy)
        chosen = robot.listed(python, copy, folders)
        ways = ("open", "governed") if access is Access.both else (access.value,)
        runs = [_run(way, python, copy, chosen, contexts.url) for way in ways]
    text = report(runs, _commit(clone))
    if write:
        RESULTS.write_text(text)
    (WORK / "RESULTS.md").write_text(text)
    say(text, "")
    complaints = unexplained(runs)
    for line in complaints:
        say(line, "!")
    return 1 if complaints else 0


def _run(access: str, python: Path, suite: Path, chosen: list[Case], contexts_url: str) -> Run:
    outcomes: dict[Case, Outcome] = {}
    decisions: dict[str, int] = {}
    filters: dict[str, int] = {}
    types = suite_types(suite)
    with _progress(access, len(chosen)) as advance:
        for row, group in groupby(chosen, key=subgroup):
            with _broker(access, types, row) as (url, found, counted):
                for folder, cases in groupby(group, key=lambda case: case.folder):
                    emptied(found)
                    of_folder = list(cases)
                    values = suites.variables(url, contexts_url, (free_port(), free_port(), free_port(), free_port()))
                    suites.write_variables(suite, values)
                    work = WORK / access / folder.replace("/", "-")
                    outcomes |= robot.run_folder(python, suite, of_folder, values, work)
                    advance(folder, len(of_folder))
                if counted is not None:
                    decisions[row], filters[row] = counted.read()
    return Run(access, outcomes, decisions, filters)


@contextmanager
def _broker(access: str, types: list[str], row: str) -> Iterator[tuple[str, Database, Counted | None]]:
    with ExitStack() as stack:
        found: Database = stack.enter_context(database())
        counted = stack.enter_context(governing(found, types, row)) if access == "governed" else None
        environment = counted.environment if counted is not None else {"DATAPOLIS_ACCESS": "open"}
        notifying = row.startswith(("ContextInformation/Subscription", "ContextSource/RegistrationSubscription"))
        if row.startswith("ContextSource/RegistrationSubscription"):
            # 047_06 counts the tries of a receiver that cannot be reached over five seconds, and wants one.
            environment = {**environment, "DATAPOLIS_NOTIFY_FIRST_S": "30"}
        yield stack.enter_context(fresh_broker(found, environment, notifying=notifying)), found, counted


@contextmanager
def _progress(access: str, total: int) -> Iterator[Advance]:
    columns = (
        TextColumn(f"{access:9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns) as progress:
        task = progress.add_task("", total=total)
        yield lambda what, number: progress.update(task, advance=number, description=what)


def _commit(clone: Path) -> str:
    done = subprocess.run(
        ["git", "-C", str(clone), "rev-parse", "--short", "HEAD"],  # noqa: S607 - the git on the PATH
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Trouble(f"{clone} is no git checkout, so the table cannot name the suite's version.", "Clone the suite.")
    return done.stdout.strip()


if __name__ == "__main__":
    typer.run(main)
