"""Word of what happens to agreements: put together here, owed by the ledger, sent by the clerk."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from policies import times
from policies.store.connect import Conn
from policies.store.notices import Contact, contacts, owe

__all__ = ["tell_party", "tell_steward"]

_NOWHERE = "no address is known; name one at /trust/contacts"


def _body(kind: str, catalog_url: str, said: Mapping[str, Any]) -> dict[str, Any]:
    page = said.get("page", "/trust/desk")
    rest = {name: value for name, value in said.items() if name != "page"}
    return {"kind": kind, "at": times.text(datetime.now(UTC)), "url": f"{catalog_url.rstrip('/')}{page}", **rest}


async def tell_party(
    conn: Conn, party: str, kind: str, subject: str, catalog_url: str, said: Mapping[str, Any]
) -> None:
    """Owe a party a notice at each of its addresses; without one the ledger says that nobody could be told."""
    body = _body(kind, catalog_url, said)
    known = await contacts(conn, party)
    for contact in known:
        await owe(conn, party, contact, kind, subject, body)
    if not known:
        await owe(conn, party, Contact("none", ""), kind, subject, body, _NOWHERE)


async def tell_steward(
    conn: Conn, domain: Mapping[str, Any], kind: str, subject: str, catalog_url: str, said: Mapping[str, Any]
) -> None:
    """Owe the domain's steward a notice; where the steward has named no address, the domain's contact has it."""
    party = domain["steward"] or domain["owner"] or "urn:party:city"
    contact = domain["contact"] or ""
    if contact.startswith("mailto:") and not await contacts(conn, party):
        body = _body(kind, catalog_url, said)
        await owe(conn, party, Contact("email", contact.removeprefix("mailto:")), kind, subject, body)
        return
    await tell_party(conn, party, kind, subject, catalog_url, said)
