"""The trust's commands: `python -m policies --help`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import asyncpg
import typer

from policies import purposes
from policies.agreements.admission import idle
from policies.agreements.lifecycle import UnknownAgreement, apply_agreements, apply_domains, change_status
from policies.agreements.odrl import Status
from policies.audit.checkpoint import LogKey
from policies.audit.seal import Sealer
from policies.audit.serve import serve
from policies.city import CityFolder, open_city
from policies.clerk.rounds import Clerk
from policies.desk_commands import desk_app
from policies.domains import CityFileError
from policies.issuer.app import Issuer, NotLoopback, listen_at
from policies.issuer.clients import client_secrets
from policies.issuer.signing import SigningKeys, claims
from policies.key_commands import app as keys_app
from policies.schemas import write_schemas
from policies.settings import PolicySettings
from policies.store.city import VersionError
from policies.store.connect import connect

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
domains_app = typer.Typer(no_args_is_help=True, help="The city's data domains.")
agreements_app = typer.Typer(no_args_is_help=True, help="The city's agreements.")
agreement_app = typer.Typer(no_args_is_help=True, help="One agreement.")
app.add_typer(domains_app, name="domains")
app.add_typer(agreements_app, name="agreements")
app.add_typer(agreement_app, name="agreement")
app.add_typer(keys_app, name="keys")
app.add_typer(desk_app, name="desk")

Folder = Annotated[Path | None, typer.Argument(help="city folder (default: DATAPOLIS_CITY)")]
By = Annotated[str, typer.Option(help="the party that acts, for the audit log")]
_FAILURES = (CityFileError, VersionError, UnknownAgreement, NotLoopback)
_STEWARD = "urn:party:steward"


def _run(work: Awaitable[None]) -> None:
    async def main() -> None:
        await work

    try:
        asyncio.run(main())
    except _FAILURES as error:
        _fail(str(error))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        _fail(f"the database does not answer as asked: {error}\nCheck DATAPOLIS_DSN_POLICIES and `make migrate`.")


def _fail(text: str) -> None:
    sys.stderr.write(f"! {text}\n")
    raise typer.Exit(1)


def _city(folder: Path | None) -> CityFolder:
    try:
        return open_city(folder or PolicySettings().city)
    except CityFileError as error:
        _fail(str(error))
        raise


async def _with_database(work: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    conn = await connect(PolicySettings().dsn_policies.get_secret_value())
    try:
        await work(conn)
    finally:
        await conn.close(timeout=5)


@domains_app.command("apply")
def domains_apply(folder: Folder = None, by: By = _STEWARD) -> None:
    """Bring the folder's domains into force; repeating it changes nothing."""
    city = _city(folder)

    async def work(conn: asyncpg.Connection) -> None:
        changed = await apply_domains(conn, city, by)
        print(f"{len(city.domains)} domains, {len(changed)} changed{': ' if changed else ''}{', '.join(changed)}")

    _run(_with_database(work))


@domains_app.command("lint")
def domains_lint(folder: Folder = None) -> None:
    """Check city.yaml, the context and all domains without touching the database."""
    city = _city(folder)
    print(f"{len(city.domains)} domains are right: {', '.join(city.domains)}")


@agreements_app.command("apply")
def agreements_apply(folder: Folder = None, by: By = _STEWARD) -> None:
    """Bring the folder's agreements into force; a changed text needs a new version."""
    city = _city(folder)

    async def work(conn: asyncpg.Connection) -> None:
        changed = await apply_agreements(conn, city, by)
        for line in changed:
            print(line)
        print(f"{len(changed)} agreements changed")

    _run(_with_database(work))


@agreement_app.command("lint")
def agreement_lint(file: Path, city: Annotated[Path | None, typer.Option(help="city folder")] = None) -> None:
    """Check one agreement file and print it as decisions read it."""
    found = _city(city)
    try:
        admitted = found.agreement(file)
    except CityFileError as error:
        _fail(str(error))
    else:
        for line in idle(admitted.agreement):
            print(f"note: {file}: {line}", file=sys.stderr)
        print(json.dumps(admitted.body, indent=2, ensure_ascii=False))


@agreement_app.command("status")
def agreement_status(
    uid: str, status: str, why: Annotated[str, typer.Option(help="the reason, for the audit log")], by: By = _STEWARD
) -> None:
    """Activate, suspend or revoke an agreement; in force everywhere within a second."""
    known: dict[str, Status] = {"active": "active", "suspended": "suspended", "revoked": "revoked"}
    if status not in known:
        _fail(f"the status must be one of {', '.join(known)}, not {status!r}")

    async def work(conn: asyncpg.Connection) -> None:
        await change_status(conn, uid, known[status], by, why)
        print(f"{uid} is {status}")

    _run(_with_database(work))


@app.command()
def issuer() -> None:
    """Serve the development OIDC issuer on the loopback; SIGUSR1 rotates its key."""
    settings = PolicySettings()
    city = _city(settings.city)
    try:
        host, port = listen_at(settings.issuer)
    except NotLoopback as error:
        _fail(str(error))
    else:
        clients = city.city.clients
        secrets = client_secrets(settings.state, clients)
        keys = SigningKeys(settings.state / "issuer")
        print(f"issuer {settings.issuer}: {', '.join(clients)}", flush=True)
        _run(Issuer(settings.issuer, settings.audience, keys, clients, secrets).serve(host, port))


@app.command()
def seal() -> None:
    """Order the audit records, sign the log's checkpoints, see to what falls due and send notices, until SIGTERM."""
    settings = PolicySettings()
    key = LogKey.load(settings.log_origin, settings.state / "log.pem")
    sealer = Sealer(settings.dsn_policies.get_secret_value(), key, settings.seal_every_s)
    print(f"sealing {key.vkey}", flush=True)
    _run(serve(sealer, Clerk(settings), settings.admin_host, settings.admin_port))


@app.command()
def token(
    party: Annotated[str | None, typer.Option(help="party of the city, e.g. urn:party:rideflow")] = None,
    client: Annotated[str | None, typer.Option(help="demo client of city.yaml, in place of a party")] = None,
    purpose: Annotated[list[str] | None, typer.Option(help="dpv: term or IRI; may repeat")] = None,
    tier: Annotated[str | None, typer.Option(help="default: the tier of the party's demo client")] = None,
    role: Annotated[list[str] | None, typer.Option(help="default: the roles of the party's demo client")] = None,
    ttl: Annotated[int, typer.Option(help="seconds", min=1)] = 3600,
) -> None:
    """Print a token of the development issuer for a party of the city."""
    settings = PolicySettings()
    clients = _city(settings.city).city.clients
    if (party is None) == (client is None) or (client is not None and client not in clients):
        _fail(f"name a --party, or a --client among {', '.join(clients)}")
    name, known = next(((n, c) for n, c in clients.items() if n == client or c.party == party), ("cli", None))
    if known is None and tier is None:
        _fail(f"{party} has no demo client in city.yaml; name its --tier")
    wanted = purpose if purpose is not None else (known.purposes if known else [])
    for item in wanted:
        if not purposes.known(purposes.iri(item)):
            _fail(f"{item} is no purpose of DPV; see ontologies/vocab/dpv-purposes.ttl")
    print(
        SigningKeys(settings.state / "issuer").sign(
            claims(
                settings.issuer,
                settings.audience,
                known.party if known else str(party),
                tier or (known.tier if known else "public"),
                sub=name,
                roles=role if role is not None else (known.roles if known else []),
                purposes=[purposes.iri(item) for item in wanted],
                ttl_s=ttl,
            )
        )
    )


@app.command("purposes")
def write_purposes() -> None:
    """Write the rules' purpose hierarchy anew from the vocabulary in ontologies/."""
    purposes.FILE.write_bytes(purposes.text())
    print(f"{purposes.FILE.name}: {len(json.loads(purposes.text()))} purposes")


@app.command("schemas")
def schemas(folder: Annotated[Path, typer.Argument(help="where to write")] = Path("ontologies/schemas")) -> None:
    """Write the JSON schemas of agreement, domain, city file, decision and audit record."""
    for path in write_schemas(folder):
        print(path)


if __name__ == "__main__":
    app()
