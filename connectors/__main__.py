"""Command line: python -m connectors run | new | check | dead | replay | relearn | pause | resume | topics | schema."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from aiohttp import web
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.table import Table

from broker.core.principals import once_is_enough
from connectors.acls import apply_all, apply_rights
from connectors.admin import admin_app
from connectors.conform import notes
from connectors.declare import apply_topics
from connectors.draft import ask_for_domain, draft_sample, draft_thing, time_zone, write_draft
from connectors.errors import FeedError
from connectors.feed import Feed, load, load_all
from connectors.functions import slug
from connectors.mapping import Mapper
from connectors.names import Names, load_names
from connectors.progress import show_progress
from connectors.publish import Publisher
from connectors.receive.endpoint import push_app
from connectors.redrive import dead_places, dead_reasons
from connectors.remap import RecordMapper
from connectors.remap import replay as replay_feed
from connectors.run import Supervisor
from connectors.settings import ConnectorSettings
from connectors.specs.push import Received
from connectors.state import FeedState
from connectors.things import read_thing
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
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


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


def _declared(feed: str, settings: ConnectorSettings, env: Mapping[str, str] | None = None) -> Feed:
    """Load a feed of the city by its name. FeedError says which there are."""
    path = settings.feeds / f"{feed}.yaml"
    if not path.is_file():
        names = ", ".join(sorted(one.stem for one in settings.feeds.glob("*.yaml"))) or "none"
        raise FeedError(f"{feed}: no such feed in {settings.feeds}; there are {names}")
    return load(path, env)


def _names(settings: ConnectorSettings) -> Names:
    return load_names(settings.city / "context.jsonld")


@app.command(epilog="Example: python -m connectors run kcm-vehicles lorawan-tts")
def run(
    feeds: FeedNames = None,
    progress: Annotated[
        bool | None, typer.Option("--progress/--no-progress", help="Show each feed's counts on standard error.")
    ] = None,
) -> None:
    """Run feeds until SIGTERM: every feed by itself, with health on DATAPOLIS_ADMIN_PORT."""
    settings = ConnectorSettings()
    chosen, away = available(settings, feeds)
    for name, reason in away.items():
        log.info("feed not available", feed=name, reason=reason)
    if not chosen:
        raise FeedError("no feed can run here: " + "; ".join(f"{name}: {reason}" for name, reason in away.items()))
    shown = sys.stderr.isatty() if progress is None else progress
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_run(chosen, settings, shown=shown))


async def _stopped_early(stop: asyncio.Event, task: asyncio.Task[Any] | None) -> None:
    """End the process on a signal that comes while it waits for Kafka."""
    await stop.wait()
    if task is not None:
        task.cancel()


async def _run(feeds: list[Feed], settings: ConnectorSettings, *, shown: bool) -> None:
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
        if any(isinstance(feed.source, Received) for feed in feeds):
            await web.TCPSite(door, settings.push_host, settings.push_port).start()
        log.info("connectors started", feeds=[feed.feed for feed in feeds], admin_port=settings.admin_port)
        watching = asyncio.create_task(show_progress(supervisor, sys.stderr)) if shown else None
        try:
            await supervisor.run(stop)
        finally:
            if watching is not None:
                watching.cancel()
            await door.cleanup()
            await server.cleanup()
    log.info("connectors stopped")


@app.command(epilog="Example: python -m connectors check city/feeds/nyc-311.yaml --sample requests.csv --limit 20")
def check(
    feed: Annotated[str | None, typer.Argument(help="Name of a feed, or path of a declaration.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Compile all declarations; no data are read.")] = False,
    sample: Annotated[Path | None, typer.Option(help="File to try instead of the feed's own source.")] = None,
    topic: Annotated[str | None, typer.Option(help="The MQTT topic to take the sample to have come on.")] = None,
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
    declared = load(Path(feed), env) if feed.endswith((".yaml", ".yml")) else _declared(feed, settings, env)
    names = _names(settings)
    if sample is not None:
        trial = try_file(declared, names, settings, sample, limit, topic)
    else:
        trial = asyncio.run(try_source(declared, names, settings, limit, timeout))
    remarks = notes(declared, names)
    if as_json:
        print(_trial_json(trial, remarks))
    else:
        _show(trial, remarks)
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


@app.command(epilog="Examples: python -m connectors replay valencia-air; python -m connectors replay nyc-311 --dead")
def replay(
    feed: FeedName,
    dead: Annotated[bool, typer.Option("--dead", help="Only the records that dead letters speak of.")] = False,
    as_json: AsJson = False,
) -> None:
    """Map the records that Kafka still has of a feed again, after its mapping was corrected."""
    settings = ConnectorSettings()
    declared = _declared(feed, settings)

    async def again() -> dict[str, Any]:
        found = await dead_places(feed, settings) if dead else None
        only = None if found is None else found.places
        async with Publisher(settings) as publisher:
            counters = await replay_feed(RecordMapper(declared, _names(settings)), settings, publisher, only)
        return {**counters.state(), **({} if found is None else {"at_source": found.at_source})}

    counters = asyncio.run(again())
    if as_json:
        print(json.dumps(counters))
        return
    console.print(
        f"{feed}: {counters['received']} records: {counters['mapped']} mapped, {counters['rejected']} rejected"
    )
    if counters.get("at_source"):
        console.print(f"{counters['at_source']} were refused before they were records: correct them at the source")


@app.command(epilog="Example: python -m connectors dead nyc-311")
def dead(feed: FeedName, as_json: AsJson = False) -> None:
    """Say why records of a feed were refused: by which rule, how many, where the first stand, what to do."""
    settings = ConnectorSettings()
    _declared(feed, settings)
    reasons = asyncio.run(dead_reasons(feed, settings))
    if as_json:
        print(json.dumps([asdict(one) for one in reasons]))
        return
    table = Table("records", "stage", "rule", "field", "what to do", "for instance")
    for one in reasons:
        table.add_row(str(one.records), one.stage, one.rule, one.field, one.suggestion, "\n".join(one.positions))
    console.print(table if reasons else f"{feed}: no record was refused")


@app.command(epilog="Examples: python -m connectors new --sample trees.csv --domain environment; "
             "python -m connectors new --td lamp.td.json --domain environment --write")  # fmt: skip
def new(
    name: Annotated[str | None, typer.Argument(help="Name of the feed; the sample's name when left out.")] = None,
    sample: Annotated[Path | None, typer.Option(help="A file of the feed.")] = None,
    td: Annotated[Path | None, typer.Option(help="A W3C Thing Description: a feed for each of its properties.")] = None,
    domain: Annotated[str, typer.Option(help="The domain that owns the feed.")] = "environment",
    write: Annotated[bool, typer.Option("--write", help="Put it into the city's feeds/ and context.jsonld.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draft a feed's declaration from a sample or a Thing Description; what is not certain is asked in it."""
    settings = ConnectorSettings()
    if (sample is None) == (td is None):
        raise FeedError("new: name either --sample FILE or --td FILE")
    if td is not None:
        drafts = draft_thing(read_thing(_bytes(td), td.name), domain, _names(settings))
    else:
        assert sample is not None  # noqa: S101 - one of them, as checked above
        feed = slug(name or sample.name.split(".")[0]) or "feed"
        drafts = [draft_sample(sample, feed[:63].strip("-"), domain, _names(settings), time_zone(settings.city))]
    for draft in drafts:
        ask_for_domain(draft, domain, settings.city)
    if write:
        for draft in drafts:
            write_draft(draft, settings.city)
    if as_json:
        print(json.dumps([asdict(draft) for draft in drafts]))
        return
    for draft in drafts:
        print(draft.text)
        if draft.terms:
            said = "added to" if write else "to be added to"
            print(f"# terms {said} the city's context.jsonld: {json.dumps(draft.terms)}")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FeedError(f"{path}: cannot be read: {error.strerror}") from error


@app.command(epilog="Example: python -m connectors pause transit-live")
def pause(feed: FeedName, as_json: AsJson = False) -> None:
    """Stop a feed at run time, and keep it stopped over restarts, until `resume`."""
    _state(feed).pause()
    _said(feed, "stopped", f"{feed}: stops within a second", as_json=as_json)


@app.command(epilog="Example: python -m connectors resume transit-live")
def resume(feed: FeedName, as_json: AsJson = False) -> None:
    """Let a paused feed run again."""
    _state(feed).resume()
    _said(feed, "running", f"{feed}: runs again within a second", as_json=as_json)


def _said(feed: str, wanted: str, text: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"feed": feed, "wanted": wanted}))
    else:
        console.print(text)


def _state(feed: str) -> FeedState:
    settings = ConnectorSettings()
    _declared(feed, settings)
    return FeedState(settings.feed_state, feed)


@app.command("list", epilog="Example: python -m connectors list --json")
def list_feeds(as_json: AsJson = False) -> None:
    """List the city's feeds and whether each can run here."""
    settings = ConnectorSettings()
    _, away = available(settings)
    rows = [
        (name, feed.domain, str(feed.source.kind), _condition(name, away, settings), _drift(name, settings), feed.title)
        for name, feed in load_all(settings.feeds).items()
    ]
    if as_json:
        members = ("feed", "domain", "source", "state", "drift", "title")
        print(json.dumps([dict(zip(members, row, strict=True)) for row in rows]))
        return
    table = Table("feed", "domain", "source", "state", "schema drift", "title")
    for feed, domain, source, state, drift, title in sorted(rows, key=lambda row: row[0]):
        table.add_row(feed, domain, source, state, _drift_text(drift), title)
    console.print(table)


def _condition(feed: str, away: Mapping[str, str], settings: ConnectorSettings) -> str:
    """Say whether a feed can run here, and whether somebody has paused it."""
    if feed in away:
        return away[feed]
    return "paused" if FeedState(settings.feed_state, feed).paused else "available"


def _drift(feed: str, settings: ConnectorSettings) -> dict[str, Any] | None:
    """Read what a feed counted against its baseline; None before its first record."""
    kept = FeedState(settings.feed_state, feed).read("schema")
    return {name: kept[name] for name in ("learnt", "compared", "drifted", "counts")} if kept else None


def _drift_text(drift: dict[str, Any] | None) -> str:
    if drift is None:
        return ""
    if not drift["compared"]:
        return f"learning ({drift['learnt']})"
    names = [f"{what} {', '.join(list(paths)[:3])}" for what, paths in drift["counts"].items() if paths]
    return f"{drift['drifted']} of {drift['compared']}{': ' if names else ''}{'; '.join(names)}"


@app.command(epilog="Example: python -m connectors relearn kcm-vehicles")
def relearn(feed: FeedName, as_json: AsJson = False) -> None:
    """Learn anew what the feed's records are made of, after a change of the source was taken in."""
    _state(feed).ask_relearn()
    _said(feed, "learning", f"{feed}: learns from its next records", as_json=as_json)


@topics_app.command("apply", epilog="Example: python -m connectors topics apply --partitions 6")
def topics_apply(
    partitions: Annotated[int, typer.Option(min=1)] = 6,
    replication: Annotated[int, typer.Option(min=1)] = 1,
    rules: Annotated[bool, typer.Option("--rights/--no-rights", help="Whether to settle Kafka's access rules.")] = True,
    as_json: AsJson = False,
) -> None:
    """Create the topics of all feeds and domains, or set their clean-up where they exist.

    Logged in to Kafka (DATAPOLIS_KAFKA_USER), it also gives each principal of the platform its rights, and no more.
    """
    settings = ConnectorSettings()
    domains = sorted(path.stem for path in (settings.city / "domains").glob("*.yaml"))
    feeds = load_all(settings.feeds).values()
    done = asyncio.run(apply_topics(feeds, domains, settings, partitions, replication))
    rights = asyncio.run(apply_all(feeds, settings)) if settings.kafka_user and rules else {}
    if as_json:
        print(json.dumps(done))
        return
    for outcome, count in sorted(Counter(done.values()).items()):
        console.print(f"{count} topics {outcome}")
    if rights:
        console.print(", ".join(f"{count} rights {outcome}" for outcome, count in rights.items()))


@topics_app.command("rights", epilog="Example: python -m connectors topics rights connectors-parks parks-sensors")
def topics_rights(
    principal: Annotated[str, typer.Argument(help="Who logs in to Kafka: DATAPOLIS_KAFKA_USER of that process.")],
    names: FeedNames = None,
) -> None:
    """Let a principal publish these feeds' topics and nothing else, by Kafka's access rules."""
    settings = ConnectorSettings()
    known = load_all(settings.feeds)
    unknown = sorted(set(names or ()) - set(known))
    if unknown:
        raise FeedError(f"no feed {unknown[0]!r} in {settings.feeds}; declared are {', '.join(sorted(known))}")
    chosen = [known[name] for name in names or known]
    for outcome, count in asyncio.run(apply_rights(chosen, principal, settings)).items():
        console.print(f"{count} rights {outcome}")


@app.command(epilog="Example: python -m connectors schema > feed.schema.json")
def schema() -> None:
    """Print the JSON schema of a feed's declaration."""
    print(json.dumps(feed_schema(), indent=2, sort_keys=True))


def feed_schema() -> dict[str, Any]:
    """Build the JSON schema of a feed."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Feed.model_json_schema()}


def _trial_json(trial: Trial, remarks: list[str]) -> str:
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
            "drift": {what: dict(paths) for what, paths in trial.drift.items()},
            "notes": remarks,
        }
    )


def _show(trial: Trial, remarks: list[str]) -> None:
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
    for what, paths in trial.drift.items():
        console.print(f"Schema drift, {what}: " + ", ".join(f"{path} ({count})" for path, count in paths.items()))
    for remark in remarks:
        console.print(f"Beside the models: {remark}")


def main() -> None:
    """Run the command line; a wrong declaration or setting is one clear sentence and exit status 2, no Kafka 3."""
    level = logging.getLevelNamesMapping().get(os.environ.get("DATAPOLIS_LOG_LEVEL", "info").upper(), logging.INFO)
    logging.getLogger("aiokafka.conn").addFilter(once_is_enough)
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
        _complain(str(error))
        raise SystemExit(2) from error
    except KafkaError as error:
        _complain(
            f"Kafka at {ConnectorSettings().kafka}: {error}; is it up, and are DATAPOLIS_KAFKA and the log-in "
            "(DATAPOLIS_KAFKA_USER) right?"
        )
        raise SystemExit(3) from error


def _complain(text: str) -> None:
    Console(stderr=True).print(f"connectors: {text}", style="red", markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
