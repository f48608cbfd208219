"""Command line of the broker: `python -m broker serve [--workers N]`, `python -m broker work [ROLE ...]`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
import uvloop

from broker import serve as serving
from broker.settings import BrokerSettings

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
    from broker.workers.settings import WorkerSettings
    from policies import PolicySettings

    settings = WorkerSettings()
    serving.configure_logs(settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(roles or [], settings, PolicySettings()))


if __name__ == "__main__":
    cli()
