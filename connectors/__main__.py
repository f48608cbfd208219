"""Command line: python -m connectors run | check | replay | pause | resume | topics | schema."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from aiohttp import web
from rich.console import Console
from rich.table import Table

from connectors.admin import admin_app
from connectors.declare import apply_topics
from connectors.errors import FeedError
from connectors.feed import Feed, load, load_all
from connectors.mapping import Mapper
from connectors.names import Names, load_names
from connectors.publish import Publisher
from connectors.receive.endpoint import push_app
from connectors.remap import RecordMapper
from connectors.remap import replay as replay_feed
from connectors.run import Supervisor
from connectors.settings import ConnectorSettings
from connectors.specs.push import PushSource
from connectors.state import FeedState
from connectors.trial import Trial, try_file, try_source

app = typer.Typer(
    help="Feeds in: fetch, decode, minimise, map and check a city's feeds, and publish them to Kafka.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
topics_app = typer.Typer(help="Kafka topics of the city.", no_args_is_help=True)
app.add_typer(topics_app, name="topics")
console = Console()
log = structlog.get_logger()

FeedNames = Annotated[list[str] | None, typer.Argument(help="Names of feeds; all of the city when none is given.")]
FeedName = Annotated[str, typer.Argument(help="Name of a feed, e.g. kcm-vehicles.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def available(settings: ConnectorSettings, chosen: list[str] | None = None) -> tuple[list[Feed], dict[str, str]]:
    """Choose the feeds that can run here, and say why the others cannot. FeedError for a name that does not exist."""
    env = dict(os.environ)
    if settings.data is not None:
        env["DATAPOLIS_DATA"] = str(settings.data)
    feeds = load_all(settings.feeds, env)
    for name in chosen or ():
        if name not in feeds:
            raise FeedError(f"{name}: no such feed in {settings.feeds}; there are {', '.join(sorted(feeds))}")
    away = {name: reason for name, feed in feeds.items() if (reason := feed.missing(env)) is not None}
    for name, feed in feeds.items():
        if feed.instead_of is not None and feed.instead_of not in away:
            away[name] = f"{feed.instead_of} is available"
    running = [feed for name, feed in feeds.items() if name not in away and (not chosen or name in chosen)]
    return running, away


def _names(settings: ConnectorSettings) -> Names:
    return load_names(settings.city / "context.jsonld")


@app.command(epilog="Example: python -m connectors run kcm-vehicles lorawan-tts")
def run(feeds: FeedNames = None) -> None:
    """Run feeds until SIGTERM: every feed by itself, with health on DATAPOLIS_ADMIN_PORT."""
    settings = ConnectorSettings()
    chosen, away = available(settings, feeds)
    for name, reason in away.items():
        log.info("feed not available", feed=name, reason=reason)
    if not chosen:
        raise FeedError("no feed can run here: " + "; ".join(f"{name}: {reason}" for name, reason in away.items()))
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_run(chosen, settings))


async def _stopped_early(stop: asyncio.Event, task: asyncio.Task[Any] | None) -> None:
    """End the process on a signal that comes while it waits for Kafka."""
    await stop.wait()
    if task is not None:
        task.cancel()


async def _run(feeds: list[Feed], settings: ConnectorSettings) -> None:
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    waiting = asyncio.create_task(_stopped_early(stop, asyncio.current_task()))
    async with Publisher(settings, patient=True) as publisher:
        waiting.cancel()
        supervisor = Supervisor(feeds, settings, _names(settings), publisher)
        server = web.AppRunner(admin_app(supervisor), access_log=None)
        await server.setup()
        await web.TCPSite(server, settings.admin_host, settings.admin_port).start()
        received = push_app({feed.feed: feed for feed in feeds}, supervisor.inbox)
        door = web.AppRunner(received, access_log=None)
        await door.setup()
        if any(isinstance(feed.source, PushSource) for feed in feeds):
            await web.TCPSite(door, settings.push_host, settings.push_port).start()
        log.info("connectors started", feeds=[feed.feed for feed in feeds], admin_port=settings.admin_port)
        try:
            await supervisor.run(stop)
        finally:
            await door.cleanup()
            await server.cleanup()
    log.info("connectors stopped")


@app.command(epilog="Example: python -m connectors check city/feeds/nyc-311.yaml --sample requests.csv --limit 20")
def check(
    feed: Annotated[str | None, typer.Argument(help="Name of a feed, or path of a declaration.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Compile all declarations; no data are read.")] = False,
    sample: Annotated[Path | None, typer.Option(help="File to try instead of the feed's own source.")] = None,
    limit: Annotated[int, typer.Option(help="Records to try.", min=1)] = 100,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the source.")] = 15.0,
    as_json: AsJson = False,
) -> None:
    """Try a declaration: the entities it makes, what is wrong with records, what minimisation takes away."""
    settings = ConnectorSettings()
    if every or feed is None:
        _check_all(settings, as_json=as_json)
        return
    env = dict(os.environ)
    if settings.data is not None:
        env["DATAPOLIS_DATA"] = str(settings.data)
    path = Path(feed) if feed.endswith((".yaml", ".yml")) else settings.feeds / f"{feed}.yaml"
    declared = load(path, env)
    names = _names(settings)
    if sample is not None:
        trial = try_file(declared, names, settings, sample, limit)
    else:
        trial = asyncio.run(try_source(declared, names, settings, limit, timeout))
    if as_json:
        print(_trial_json(trial))
    else:
        _show(trial)
    if not trial.entities:
        raise typer.Exit(1)


def _check_all(settings: ConnectorSettings, *, as_json: bool) -> None:
    names = _names(settings)
    feeds = load_all(settings.feeds)
    hashes = {name: Mapper(feed, names).hash for name, feed in feeds.items()}
    if as_json:
        print(json.dumps(hashes))
    else:
        console.print(f"{len(hashes)} declarations are right: {', '.join(hashes)}")


@app.command(epilog="Example: python -m connectors replay valencia-air")
def replay(feed: FeedName, as_json: AsJson = False) -> None:
    """Map every record that Kafka still has of a feed again, after its mapping was corrected."""
    settings = ConnectorSettings()
    declared = load(settings.feeds / f"{feed}.yaml")

    async def again() -> dict[str, Any]:
        async with Publisher(settings) as publisher:
            return (await replay_feed(RecordMapper(declared, _names(settings)), settings, publisher)).state()

    counters = asyncio.run(again())
    if as_json:
        print(json.dumps(counters))
    else:
        console.print(
            f"{feed}: {counters['received']} records: {counters['mapped']} mapped, {counters['rejected']} rejected"
        )


@app.command(epilog="Example: python -m connectors pause transit-live")
def pause(feed: FeedName) -> None:
    """Stop a feed at run time, and keep it stopped over restarts, until `resume`."""
    _state(feed).pause()
    console.print(f"{feed}: stops within a second")


@app.command(epilog="Example: python -m connectors resume transit-live")
def resume(feed: FeedName) -> None:
    """Let a paused feed run again."""
    _state(feed).resume()
    console.print(f"{feed}: runs again within a second")


def _state(feed: str) -> FeedState:
    settings = ConnectorSettings()
    load(settings.feeds / f"{feed}.yaml")
    return FeedState(settings.feed_state, feed)


@app.command("list", epilog="Example: python -m connectors list --json")
def list_feeds(as_json: AsJson = False) -> None:
    """List the city's feeds and whether each can run here."""
    settings = ConnectorSettings()
    running, away = available(settings)
    rows = [(feed.feed, feed.domain, str(feed.source.kind), "available", feed.title) for feed in running]
    rows += [(name, "", "", reason, "") for name, reason in away.items()]
    if as_json:
        print(json.dumps([dict(zip(("feed", "domain", "source", "state", "title"), row, strict=True)) for row in rows]))
        return
    table = Table("feed", "domain", "source", "state", "title")
    for row in sorted(rows):
        table.add_row(*row)
    console.print(table)


@topics_app.command("apply", epilog="Example: python -m connectors topics apply --partitions 6")
def topics_apply(
    partitions: Annotated[int, typer.Option(min=1)] = 6,
    replication: Annotated[int, typer.Option(min=1)] = 1,
    as_json: AsJson = False,
) -> None:
    """Create the topics of all feeds and domains, or set their clean-up where they exist."""
    settings = ConnectorSettings()
    domains = sorted(path.stem for path in (settings.city / "domains").glob("*.yaml"))
    done = asyncio.run(apply_topics(load_all(settings.feeds).values(), domains, settings, partitions, replication))
    if as_json:
        print(json.dumps(done))
        return
    for outcome, count in sorted(Counter(done.values()).items()):
        console.print(f"{count} topics {outcome}")


@app.command(epilog="Example: python -m connectors schema > feed.schema.json")
def schema() -> None:
    """Print the JSON schema of a feed's declaration."""
    print(json.dumps(feed_schema(), indent=2, sort_keys=True))


def feed_schema() -> dict[str, Any]:
    """Build the JSON schema of a feed."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Feed.model_json_schema()}


def _trial_json(trial: Trial) -> str:
    violations = [
        {"position": position, "stage": found.stage, "rule": found.rule, "field": found.field, "do": found.suggestion}
        for position, found in trial.violations
    ]
    return json.dumps(
        {
            "records": trial.records,
            "entities": trial.entities,
            "violations": violations,
            "removed": dict(trial.removed),
            "changed": dict(trial.changed),
        }
    )


def _show(trial: Trial) -> None:
    console.print(f"{trial.records} records: {len(trial.entities)} entities, {len(trial.violations)} violations")
    if trial.entities:
        console.print("First entity:")
        console.print_json(json.dumps(trial.entities[0]))
    if trial.violations:
        table = Table("position", "stage", "rule", "field", "what to do", title="Violations (first 20)")
        for position, found in trial.violations[:20]:
            table.add_row(position, found.stage, found.rule, found.field, found.suggestion)
        console.print(table)
    for title, fields in (("Taken away by minimisation", trial.removed), ("Coarsened or hidden", trial.changed)):
        if fields:
            console.print(f"{title}: " + ", ".join(f"{name} ({count})" for name, count in sorted(fields.items())))


def main() -> None:
    """Run the command line; a wrong declaration or setting is one clear sentence and exit status 2."""
    level = logging.getLevelNamesMapping().get(os.environ.get("DATAPOLIS_LOG_LEVEL", "info").upper(), logging.INFO)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
    )
    try:
        app()
    except FeedError as error:
        Console(stderr=True).print(f"connectors: {error}", style="red", markup=False, soft_wrap=True)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
