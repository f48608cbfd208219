"""`python -m policies keys ...`: make, list and revoke access keys where the database can be reached."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated

import asyncpg
import typer

from policies import access_keys
from policies.access_keys import KeyRefused
from policies.caller import Caller
from policies.settings import PolicySettings
from policies.store import access_keys as store
from policies.store.connect import connect

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Access keys for tools that cannot renew a token.")
By = Annotated[str, typer.Option(help="the party that acts, for the audit log")]
_STEWARD = "urn:party:steward"


def _run(work: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    async def main() -> None:
        conn = await connect(PolicySettings().dsn_policies.get_secret_value())
        try:
            await work(conn)
        finally:
            await conn.close(timeout=5)

    try:
        asyncio.run(main())
    except KeyRefused as error:
        sys.stderr.write(f"! {error}\n")
        raise typer.Exit(1) from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        sys.stderr.write(f"! the database does not answer as asked: {error}\nCheck DATAPOLIS_DSN_POLICIES.\n")
        raise typer.Exit(1) from error


@app.command("create")
def create(
    party: Annotated[str, typer.Option(help="whose key it is")],
    agreement: Annotated[str, typer.Option(help="the agreement that it reads under")],
    purpose: Annotated[str, typer.Option(help="dpv: term or IRI")],
    label: Annotated[str, typer.Option(help="what it is for")],
    tier: Annotated[str, typer.Option(help="the party's tier")] = "vendor",
    days: Annotated[int, typer.Option(help="until it expires", min=1, max=access_keys.MAX_DAYS)] = 90,
    by: By = _STEWARD,
) -> None:
    """Make a key and print it: it is shown this once."""

    async def work(conn: asyncpg.Connection) -> None:
        caller = Caller(party, party, tier)
        made = await access_keys.make(conn, caller, agreement, purpose, label, days, by=by)
        sys.stderr.write(f"{made.key.id} expires {made.key.expires_at:%Y-%m-%d}; the key is shown this once:\n")
        sys.stdout.write(made.secret + "\n")

    _run(work)


@app.command("list")
def list_keys(party: Annotated[str | None, typer.Option(help="of this party only")] = None) -> None:
    """List keys: never the secret."""

    async def work(conn: asyncpg.Connection) -> None:
        for key in await store.listed(conn, party, ()):
            state = "revoked" if key.revoked_at else f"until {key.expires_at:%Y-%m-%d}"
            sys.stdout.write(f"{key.id}  {state}  {key.party}  {key.agreement}  {key.purpose}  {key.label}\n")

    _run(work)


@app.command("revoke")
def revoke(key_id: str, by: By = _STEWARD) -> None:
    """Revoke a key: it ends everywhere within a second."""

    async def work(conn: asyncpg.Connection) -> None:
        found = await store.find(conn, key_id)
        if found is None:
            raise KeyRefused(f"there is no key {key_id}; `policies keys list` has them")
        done = await access_keys.revoke(conn, found, by)
        sys.stdout.write(f"{key_id} is revoked\n" if done else f"{key_id} was revoked before\n")

    _run(work)
