"""Notices: signed, sent at least once, retried, given up; over real HTTP and SMTP."""

from __future__ import annotations

import asyncio
import email
import email.policy
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from aiohttp import web

from broker.core.egress import ranges
from policies import PolicySettings
from policies.clerk.rounds import Clerk
from policies.clerk.send import Failed, Mail, signature
from policies.notices import tell_party, tell_steward
from policies.store.notices import Contact, Owed, claim, put_contact

PARTY = "urn:party:rideflow"
SECRET = "a-secret-that-was-shown-once"


class Receiver:
    """A webhook's receiver that answers as it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        status = self.answers.pop(0) if self.answers else 204
        return web.Response(status=status, headers={"Location": "/other"} if status == 302 else {})


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    app = web.Application()
    app.add_routes([web.post("/hook", found.take)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield found
    await runner.cleanup()


@asynccontextmanager
async def mail_server(taken: list[bytes], refuse: bool = False) -> AsyncIterator[int]:
    """A mail server that takes every message (RFC 5321), or refuses every recipient."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                message = b""
                while (part := await reader.readline()) != b".\r\n":
                    message += part
                taken.append(message)
            if verb == b"QUIT":
                writer.write(b"221 goodbye\r\n")
                break
            writer.write(b"550 nobody here\r\n" if refuse and verb == b"RCPT" else b"250 fine\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def clerk_of(settings: PolicySettings, **changes: Any) -> Clerk:
    return Clerk(settings.model_copy(update={"notice_first_s": 0.05, "notice_tries": 3, **changes}))


async def states(conn: asyncpg.Connection) -> list[tuple[str, int, str]]:
    rows = await conn.fetch("SELECT status, tries, error FROM policies.notices ORDER BY at, id")
    return [tuple(row) for row in rows]


async def owe(conn: asyncpg.Connection, contact: Contact, secret: str = "") -> None:
    await put_contact(conn, PARTY, contact, secret, "bo")
    said = {"agreement": "urn:x:a", "status": "suspended", "reason": "Grounds,\nin two lines", "page": "/trust/x"}
    await tell_party(conn, PARTY, "agreement.suspended", "Suspended: Live\r\nvehicles", "http://city.example", said)


async def test_a_webhook_is_signed_and_tried_again(settings: PolicySettings, conn: asyncpg.Connection) -> None:
    async with receiver() as hook:
        hook.answers = [500]
        await owe(conn, Contact("webhook", hook.url), SECRET)
        clerk = clerk_of(settings)
        await clerk.round()
        assert await states(conn) == [("waiting", 1, "the webhook answered 500")]
        await asyncio.sleep(0.1)
        await clerk.round()
        assert await states(conn) == [("sent", 2, "")]
        await clerk.round()
        assert (len(hook.got), clerk.sent) == (2, 1)
        first, second = hook.got
        assert first[0]["Datapolis-Notice"] == second[0]["Datapolis-Notice"], "the same notice, so that it can be told"
        headers, body = second
        moment, _, given = headers["Datapolis-Signature"].removeprefix("t=").partition(",v1=")
        assert given == hmac.new(SECRET.encode(), f"{moment}.".encode() + body, "sha256").hexdigest()
        assert signature(SECRET, int(moment), body) == headers["Datapolis-Signature"]
        said = json.loads(body)
        assert said.pop("id") == headers["Datapolis-Notice"]
        assert said.pop("at").endswith("Z")
        assert said == {
            "subject": "Suspended: Live\r\nvehicles",
            "kind": "agreement.suspended",
            "url": "http://city.example/trust/x",
            "agreement": "urn:x:a",
            "status": "suspended",
            "reason": "Grounds,\nin two lines",
        }
        clerk._drop()


async def test_given_up_after_the_last_try_and_never_redirected(
    settings: PolicySettings, conn: asyncpg.Connection
) -> None:
    async with receiver() as hook:
        hook.answers = [302, 302, 302]
        await owe(conn, Contact("webhook", hook.url))
        clerk = clerk_of(settings)
        for _ in range(4):
            await clerk.round()
            await asyncio.sleep(0.25)
        assert await states(conn) == [("dead", 3, "the webhook answered 302")]
        assert len(hook.got) == 3
        clerk._drop()


async def test_no_private_address_is_called(settings: PolicySettings, conn: asyncpg.Connection) -> None:
    async with receiver() as hook:
        await owe(conn, Contact("webhook", hook.url))
        clerk = clerk_of(settings, egress_allow="10.0.0.0/8")
        await clerk.round()
        [(status, _, error)] = await states(conn)
        assert status == "waiting"
        assert "127.0.0.1" in error
        assert hook.got == []
        clerk._drop()


async def test_by_mail(settings: PolicySettings, conn: asyncpg.Connection) -> None:
    taken: list[bytes] = []
    async with mail_server(taken) as port:
        await owe(conn, Contact("email", "bo@newcomer.example"))
        without = clerk_of(settings)
        await without.round()
        assert await states(conn) == [("waiting", 1, "no mail server is set: DATAPOLIS_SMTP_URL")]
        without._drop()
        await asyncio.sleep(0.1)
        changed = PolicySettings.model_validate({**settings.model_dump(), "smtp_url": f"smtp://127.0.0.1:{port}"})
        clerk = Clerk(changed)
        await clerk.round()
        assert [state[0] for state in await states(conn)] == ["sent"]
        clerk._drop()
    [raw] = taken
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message["To"] == "bo@newcomer.example"
    assert message["Subject"] == "Suspended: Live vehicles"
    assert message["Auto-Submitted"] == "auto-generated"
    text = message.get_content()
    assert "Reason: Grounds," in text
    assert "http://city.example/trust/x" in text


async def test_a_mail_server_that_refuses_or_must_not_be_called() -> None:
    owed = Owed("id", PARTY, "email", "bo@newcomer.example", "k", "s", {"url": "u"}, 1)
    async with mail_server([], refuse=True) as port:
        with pytest.raises(Failed, match="SMTPRecipientsRefused"):
            await Mail(f"smtp://127.0.0.1:{port}", "a@b.example", ranges("127.0.0.0/8"), 2.0).send(owed)
        with pytest.raises(Failed, match="PermissionError"):
            await Mail(f"smtp://127.0.0.1:{port}", "a@b.example", ranges("10.0.0.0/8"), 2.0).send(owed)
        with pytest.raises(Failed, match="no TLS, so the password is not sent"):
            await Mail(f"smtp://u:p@127.0.0.1:{port}", "a@b.example", ranges("127.0.0.0/8"), 2.0).send(owed)


async def test_two_clerks_do_not_take_the_same_notice(conn: asyncpg.Connection) -> None:
    await owe(conn, Contact("webhook", "http://x.example/1"))
    first = await claim(conn, 10, 60.0)
    assert [one.tries for one in first] == [1]
    assert await claim(conn, 10, 60.0) == []
    await conn.execute("UPDATE policies.notices SET next_try = now() - interval '1 second'")
    assert [one.tries for one in await claim(conn, 10, 60.0)] == [2], "a clerk that died leaves it to the next"


async def test_without_an_address_the_ledger_says_so(conn: asyncpg.Connection) -> None:
    await tell_party(conn, "urn:party:nobody", "k", "s", "http://city.example", {})
    assert await states(conn) == [("dead", 0, "no address is known; name one at /trust/contacts")]
    domain = {"steward": None, "owner": "urn:party:mobility-dept", "contact": "mailto:mobility@harbour.example"}
    await tell_steward(conn, domain, "k", "s", "http://city.example", {})
    row = await conn.fetchrow("SELECT channel, address FROM policies.notices WHERE party = 'urn:party:mobility-dept'")
    assert row is not None
    assert tuple(row) == ("email", "mobility@harbour.example")
