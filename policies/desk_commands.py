"""Commands at the trust's desk, over HTTP with a token: what the pages do, for scripts and terminals."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import aiohttp
import typer

from policies.settings import PolicySettings

__all__ = ["desk_app"]

desk_app = typer.Typer(
    no_args_is_help=True,
    help="Offers, applications, approvals, sanctions, what-if and use, at DATAPOLIS_CATALOG_URL with DATAPOLIS_TOKEN.",
)
_TIMEOUT_S = 60.0

Token = Annotated[str, typer.Option(help="bearer token; without, DATAPOLIS_TOKEN", show_default=False)]
Uid = Annotated[str, typer.Argument(help="name of the agreement")]
File = Annotated[Path, typer.Argument(help="the document, JSON", exists=True, dir_okay=False)]
Reason = Annotated[str, typer.Option(help="told to the party and kept in the record")]


async def _ask(method: str, path: str, token: str, body: dict[str, Any] | None, params: dict[str, str]) -> Any:
    settings = PolicySettings()
    token = token or settings.token.get_secret_value()
    url = f"{settings.catalog_url.rstrip('/')}/trust/{path}"
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as http,
        http.request(method, url, json=body, params=params, headers=headers) as answer,
    ):
        found = await answer.json(content_type=None)
        if answer.status >= 400:
            detail = found.get("detail", found) if isinstance(found, dict) else found
            raise typer.BadParameter(f"{answer.status}: {detail}")
        return found


def _say(
    method: str, path: str, token: str = "", body: dict[str, Any] | None = None, params: dict[str, str] | None = None
) -> None:
    """Ask and print the answer, or the reason of a refusal and leave with 1."""
    try:
        found = asyncio.run(_ask(method, path, token, body, params or {}))
    except typer.BadParameter as refused:
        sys.stderr.write(f"! {refused.message}\n")
        raise typer.Exit(1) from None
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        sys.stderr.write(
            f"! the trust does not answer: {type(error).__name__}: {error}\nCheck DATAPOLIS_CATALOG_URL.\n"
        )
        raise typer.Exit(1) from None
    sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        sys.stderr.write(f"! {file}: cannot be read: {error}\n")
        raise typer.Exit(1) from None
    if not isinstance(found, dict):
        sys.stderr.write(f"! {file}: must hold a JSON object\n")
        raise typer.Exit(1)
    return found


def _given(**members: str | None) -> dict[str, str]:
    return {name: value for name, value in members.items() if value}


def _act(uid: str, act: str, token: str, reason: str, version: int | None = None) -> None:
    body: dict[str, Any] = {"reason": reason} | ({"version": version} if version else {})
    _say("POST", f"agreements/{quote(uid, safe=':')}/{act}", token, body)


@desk_app.command()
def offers() -> None:
    """List what one may apply for."""
    _say("GET", "offers")


@desk_app.command()
def offer(file: File, token: Token = "") -> None:
    """Offer terms: an Offer of our ODRL profile."""
    _say("POST", "offers", token, _read(file))


@desk_app.command()
def apply(
    offer: Annotated[str, typer.Argument(help="name of the offer")],
    purpose: Annotated[str, typer.Option(help="dpv: term or IRI")],
    organisation: Annotated[str, typer.Option(help="who applies")],
    description: Annotated[str, typer.Option(help="what will be done with the data")],
    until: Annotated[str | None, typer.Option(help="last day, such as 2027-12-31")] = None,
    webhook: Annotated[str | None, typer.Option(help="where notices go")] = None,
    email: Annotated[str | None, typer.Option(help="where notices go")] = None,
    token: Token = "",
) -> None:
    """Apply for what is offered."""
    body = _given(
        offer=offer,
        purpose=purpose,
        organisation=organisation,
        description=description,
        until=until,
        webhook=webhook,
        email=email,
    )
    _say("POST", "applications", token, dict(body))


@desk_app.command()
def show(token: Token = "") -> None:
    """Show what waits: proposals, applications, duties, agreements."""
    _say("GET", "desk", token)


@desk_app.command()
def history(uid: Uid, token: Token = "") -> None:
    """Show versions and events of an agreement."""
    _say("GET", f"agreements/{quote(uid, safe=':')}/history", token)


@desk_app.command()
def amend(uid: Uid, file: File, token: Token = "") -> None:
    """Propose a new text."""
    _say("POST", f"agreements/{quote(uid, safe=':')}/amend", token, _read(file))


@desk_app.command()
def approve(
    uid: Uid,
    reason: Reason = "",
    version: Annotated[int | None, typer.Option(help="the version that is meant")] = None,
    token: Token = "",
) -> None:
    """Approve the text that waits."""
    _act(uid, "approve", token, reason, version)


@desk_app.command()
def refuse(uid: Uid, reason: Reason, token: Token = "") -> None:
    """Refuse the text that waits."""
    _act(uid, "refuse", token, reason)


@desk_app.command()
def withdraw(uid: Uid, reason: Reason = "", token: Token = "") -> None:
    """Take back an application."""
    _act(uid, "withdraw", token, reason)


@desk_app.command()
def warn(uid: Uid, reason: Reason, token: Token = "") -> None:
    """Warn, with grounds."""
    _act(uid, "warn", token, reason)


@desk_app.command()
def suspend(uid: Uid, reason: Reason, token: Token = "") -> None:
    """Suspend, with grounds; in force everywhere within a second."""
    _act(uid, "suspend", token, reason)


@desk_app.command()
def resume(uid: Uid, reason: Reason, token: Token = "") -> None:
    """Put a suspended agreement into force again."""
    _act(uid, "resume", token, reason)


@desk_app.command()
def revoke(uid: Uid, reason: Reason, token: Token = "") -> None:
    """Revoke for good, with grounds; also ends an offer."""
    _act(uid, "revoke", token, reason)


@desk_app.command()
def assess(file: File, token: Token = "") -> None:
    """Record an impact assessment."""
    _say("POST", "assessments", token, _read(file))


@desk_app.command()
def report(
    duty: Annotated[str, typer.Argument(help="id of the duty")],
    statement: Annotated[str, typer.Option(help="what was done")],
    url: Annotated[str, typer.Option(help="where it can be seen")] = "",
    token: Token = "",
) -> None:
    """Say that a duty has been met."""
    _say("POST", f"duties/{quote(duty, safe='')}", token, {"statement": statement, "url": url})


@desk_app.command()
def contact(
    webhook: Annotated[str | None, typer.Option(help="where notices go")] = None,
    email: Annotated[str | None, typer.Option(help="where notices go")] = None,
    token: Token = "",
) -> None:
    """Name where notices go; a webhook's secret is printed once."""
    _say("POST", "contacts", token, dict(_given(webhook=webhook, email=email)))


@desk_app.command("what-if")
def what_if(
    file: Annotated[Path | None, typer.Argument(help="a draft, JSON")] = None,
    agreement: Annotated[str | None, typer.Option(help="name of a stored agreement")] = None,
    status: Annotated[str | None, typer.Option(help="active, suspended or revoked")] = None,
    last: Annotated[int, typer.Option(help="how many decisions")] = 10_000,
    token: Token = "",
) -> None:
    """Replay the last decisions against a draft: who would gain or lose what."""
    body: dict[str, Any] = {"last": last, **_given(agreement=agreement, status=status)}
    if file is not None:
        body["draft"] = _read(file)
    _say("POST", "what-if", token, body)


@desk_app.command()
def usage(
    since: Annotated[str | None, typer.Option("--from", help="first day")] = None,
    until: Annotated[str | None, typer.Option("--to", help="day after the last")] = None,
    token: Token = "",
) -> None:
    """Show use: with a steward's token by agreement and party too."""
    _say("GET", "usage", token, params=_given(**{"from": since, "to": until}))
