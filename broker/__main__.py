"""Command line of the broker: `python -m broker serve`, `work [ROLE ...]`, `indexes run | list | drop`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
import uvloop

from broker import serve as serving
from broker.settings import BrokerSettings
from broker.store.indexes import drop_named, listed
from broker.store.indexes import run as settle
from broker.workers.settings import IndexerSettings, WorkerSettings
from policies.logs import configure_logs

cli = typer.Typer(add_completion=False, no_args_is_help=True, help="The Datapolis context broker.")


@cli.command()
def serve(
    workers: Annotated[int | None, typer.Option(help="HTTP worker processes (DATAPOLIS_BROKER_WORKERS)")] = None,
) -> None:
    """Serve the NGSI-LD API."""
    settings = BrokerSettings()
    if workers is not None:
        settings = settings.model_copy(update={"broker_workers": workers})
    serving.serve(settings)


@cli.command()
def work(
    roles: Annotated[list[str] | None, typer.Argument(help="ingest, relay, notify, expire; none: all")] = None,
) -> None:
    """Run the background roles."""
    # Not at the top: the HTTP workers share their counters, for which prometheus_client must be imported after them.
    from broker.workers.run import run
    from policies import PolicySettings

    settings = WorkerSettings()
    configure_logs(settings.log_level)
    serving.calm_collector()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(roles or [], settings, PolicySettings()))


indexes = typer.Typer(no_args_is_help=True, help="Indexes for what queries look at; DATAPOLIS_DSN_OWNER says where.")
cli.add_typer(indexes, name="indexes")


@indexes.command(name="list")
def list_indexes() -> None:
    """List the indexes that were made: tenant, name, what for, whether valid, bytes, uses."""
    for one in asyncio.run(listed(_owner())):
        state = "" if one.valid else " INVALID"
        typer.echo(f"{one.tenant} {one.name} {one.kind} {one.attr} {one.size} bytes {one.scans} scans{state}")


@indexes.command(name="run")
def run_indexes(
    once: Annotated[bool, typer.Option("--once", help="one round, then end; without: a process with health")] = False,
) -> None:
    """Make the indexes that are wanted and drop those that no query asks for any more, again and again.

    Settings: DATAPOLIS_INDEX_*; health and metrics on DATAPOLIS_ADMIN_PORT.
    """
    from broker.workers import indexer

    settings = IndexerSettings()
    configure_logs(settings.log_level)
    owner = _owner()
    if not once:
        asyncio.run(indexer.serve(settings))
        return
    created, dropped = asyncio.run(settle(owner, indexer.limits(settings)))
    typer.echo(f"made: {', '.join(created) or 'none'}; dropped: {', '.join(dropped) or 'none'}")


@indexes.command(name="drop")
def drop_index(name: Annotated[str, typer.Argument(help="as `list` shows it")]) -> None:
    """Drop an index; it is made anew only if its path is asked for anew."""

    number = asyncio.run(drop_named(_owner(), name))
    if not number:
        raise typer.BadParameter(f"there is no index {name}; `python -m broker indexes list` shows what there is")
    typer.echo(f"dropped {name} in {number} tenant(s)")


def _owner() -> str:
    dsn = IndexerSettings().dsn_owner.get_secret_value()
    if not dsn:
        raise typer.BadParameter("set DATAPOLIS_DSN_OWNER to PostgreSQL as datapolis_owner, who owns the tables")
    return dsn


if __name__ == "__main__":
    cli()
