"""Command line of the catalog: `serve`, `assess`, `verify`, `validate`."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer
import uvloop
from granian.constants import Interfaces
from granian.server import Server

from catalog.admin import admin
from catalog.assess import Assessor
from catalog.check import Report, check
from catalog.city import City, read_city
from catalog.document import DocumentError, read_document
from catalog.mqa import DIMENSIONS, Score, measure, rating
from catalog.portal.messages import update as update_messages
from catalog.schemas import write_schemas
from catalog.settings import Settings
from catalog.store.connect import open_pool
from catalog.verify import VerifyError
from catalog.verify import verify as verify_catalog
from policies.domains import CityFileError
from policies.egress import session
from policies.logs import configure_logs

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)


def _city(settings: Settings) -> City:
    try:
        return read_city(settings.city)
    except CityFileError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


@app.command()
def serve() -> None:
    """Serve the catalog, the portal and the trust's public side over HTTP."""
    configure_logs("info", sys.stderr)
    settings = Settings()
    _city(settings)
    Server(
        "catalog.app:create_app",
        factory=True,
        interface=Interfaces.ASGI,
        address=settings.catalog_host,
        port=settings.catalog_port,
        log_access=False,
        workers_kill_timeout=10,
    ).serve()


@app.command()
def assess(
    once: Annotated[bool, typer.Option("--once", help="One round, printed; exit 1 unless all are governed.")] = False,
) -> None:
    """Read the broker and judge every domain's readiness, every few seconds."""
    configure_logs("info", sys.stderr)
    settings = Settings()
    _city(settings)
    governed = uvloop.run(_assess(settings, once))
    raise typer.Exit(0 if governed or not once else 1)


async def _assess(settings: Settings, once: bool) -> bool:
    pool = await open_pool(settings.dsn_catalog.get_secret_value())
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with session(settings.egress, settings.read_timeout_s) as http:
            assessor = Assessor(settings, lambda: read_city(settings.city), pool, http)
            if not once:
                async with admin(settings.catalog_host, settings.admin_port, pool):
                    await assessor.run(stop)
                return True
            async with pool.acquire() as conn:
                verdicts = await assessor.once(conn)
    finally:
        await pool.close()
    for verdict in verdicts:
        print(f"{verdict.domain}: {verdict.status}. {verdict.reason}")
    return all(v.status == "governed" for v in verdicts)


@app.command()
def schemas(folder: Annotated[Path, typer.Argument(help="Where to write.")] = Path("ontologies/schemas")) -> None:
    """Write the JSON schemas of evidence, systems, roadmap and pilots from their typed models."""
    for path in write_schemas(folder):
        print(path)


@app.command()
def messages() -> None:
    """Bring the portal's message catalogs up to date with its templates; exit 1 where a translation is missing."""
    lacking = update_messages()
    for code, text in lacking:
        typer.echo(f"{code}: no translation of: {text}", err=True)
    raise typer.Exit(1 if lacking else 0)


@app.command()
def validate(
    source: Annotated[str, typer.Argument(help="File or http(s) URL of a catalog: Turtle, JSON-LD or RDF/XML.")],
    warnings: Annotated[bool, typer.Option("--warnings", help="List warnings too.")] = False,
) -> None:
    """Check a catalog against the official DCAT-AP 3.0.1 shapes; exit 1 where it breaks them."""
    settings = Settings()
    try:
        graph = asyncio.run(read_document(source, settings.egress, settings.read_timeout_s))
    except DocumentError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    report = check(graph)
    _print(source, report, warnings)
    raise typer.Exit(1 if report.violations else 0)


@app.command()
def verify(
    url: Annotated[str, typer.Argument(help="Address of a catalog, such as http://127.0.0.1:8000")],
    wait: Annotated[float | None, typer.Option(help="Seconds for which differences are read again.")] = None,
    key: Annotated[Path | None, typer.Option(help="File of the keys (JWK Set) to trust, instead of its own.")] = None,
) -> None:
    """Recompute every verdict of a catalog from public evidence, over HTTP alone; exit 1 where one does not hold."""
    settings = Settings()

    async def run() -> bool:
        keys = orjson.loads(key.read_bytes())["keys"] if key else ()
        async with session(settings.egress, settings.read_timeout_s) as http:
            report = await verify_catalog(http, url, wait, keys)
        for domain, status in report.verdicts:
            wrong = [f for f in report.findings if f.domain == domain]
            print(f"{domain}: {status}. {'DOES NOT HOLD' if wrong else 'Holds'}.")
            for finding in wrong:
                print(f"  {finding.gate}: {finding.text}")
        return not report.findings and bool(report.verdicts)

    try:
        holds = asyncio.run(run())
    except (VerifyError, OSError, ValueError, KeyError) as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise typer.Exit(2) from error
    raise typer.Exit(0 if holds else 1)


@app.command()
def score(
    url: Annotated[str, typer.Argument(help="Address of a catalog's RDF, such as http://127.0.0.1:8000/catalog")],
) -> None:
    """Score the metadata of every dataset by the EU method (405 points), over HTTP as anybody would."""
    settings = Settings()

    async def run() -> list[Score]:
        async with session(settings.egress, settings.read_timeout_s) as http:
            return await measure(http, url)

    try:
        scores = asyncio.run(run())
    except DocumentError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    for each in scores:
        parts = ", ".join(f"{name} {each.dimension(name)}" for name in DIMENSIONS)
        lost = ", ".join(f"{name} {points}" for name, points in each.lost.items()) or "nothing"
        print(f"{each.dataset}: {each.total} of 405, {rating(each.total)} ({parts}); lost: {lost}")


def _print(source: str, report: Report, warnings: bool) -> None:
    for finding in report.findings:
        if finding.severity == "violation" or warnings:
            about = f"{finding.path} {finding.value}".strip()
            print(f"{finding.severity}: {finding.focus}: {about}: {finding.message}")
    others = len(report.findings) - len(report.violations)
    print(
        f"{source}: {report.triples} triples, {report.datasets} datasets, "
        f"{len(report.violations)} violations, {others} warnings"
    )


if __name__ == "__main__":
    app()
