"""The clerk's round, once a second beside the sealer: any number of clerks may run at once.

What ended, fell due or ran out is marked and told of in one transaction; use is counted from sealed records under a row
lock; notices are taken by lease, so a clerk that dies leaves them to the next and a notice is sent at least once.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import asyncpg

from policies import egress
from policies.agreements import acts
from policies.agreements.obligations import span
from policies.audit import AuditRecord, append, prepare
from policies.caller import DPV
from policies.clerk.reminders import remind
from policies.clerk.send import Failed, Mail, webhook
from policies.notices import tell_party, tell_steward
from policies.settings import PolicySettings
from policies.store import applications, lifecycle, notices, obligations, terms
from policies.store.connect import Conn, connect
from policies.store.lifecycle import Event
from policies.store.obligations import Obligation
from policies.usage import count

__all__ = ["CLERK", "Clerk", "settle_time"]

CLERK = "urn:datapolis:clerk"
_LEASE_S = 60.0
_AT_ONCE = 20
_LONGEST_S = 3600.0


async def settle_time(conn: Conn, now: datetime, catalog_url: str) -> None:
    """Mark and tell what the time alone has brought about."""
    async with conn.transaction():
        for version in await lifecycle.expire(conn, now):
            prepared = prepare(
                AuditRecord(
                    door="steward", action="manage", tenant=version.tenant, caller=CLERK,
                    purpose=DPV + "RecordManagement", request=f"agreement {version.uid} expire", outcome="allowed",
                    agreements=((version.uid, version.version),), tier="service",
                )
            )  # fmt: skip
            await append(conn, [prepared])
            event = Event(version.uid, version.version, "expire", "expired", CLERK, "", "", prepared.id)
            await lifecycle.add_event(conn, event)
            domain = await terms.domain(conn, version.domain)
            if domain is not None:
                await acts.end(conn, version, domain, catalog_url)
    async with conn.transaction():
        for owed in await obligations.fall_due(conn, now):
            await _overdue(conn, owed, catalog_url)
        for owed in await obligations.without_next(conn, now, timedelta(0)):
            due, step = owed.due, span(owed.kind, owed.value)
            while due <= now:
                due += step
            await obligations.add(conn, owed.agreement, owed.kind, owed.value, due)
    async with conn.transaction():
        for one in await applications.assessments_run_out(conn, now):
            domain = await terms.domain(conn, one.domain)
            if domain is not None:
                said = {"assessment": one.id, "domain": one.domain, "page": f"/trust/assessments/{one.id}"}
                subject = f"An impact assessment has run out: {one.body['title']}"
                await tell_steward(conn, domain, "assessment.expired", subject, catalog_url, said)
    await remind(conn, now, catalog_url)


async def _overdue(conn: Conn, owed: Obligation, catalog_url: str) -> None:
    version = await lifecycle.latest(conn, owed.agreement, proposed=False)
    domain = None if version is None else await terms.domain(conn, version.domain)
    if version is None or domain is None:
        return
    said = {"agreement": owed.agreement, "duty": owed.kind, "page": acts.page_of(owed.agreement)}
    subject = f"Overdue: {owed.kind.replace('_', ' ')} ({owed.value})"
    await tell_party(conn, version.assignee, "duty.overdue", subject, catalog_url, said)
    await tell_steward(conn, domain, "duty.overdue", subject, catalog_url, said)


class Clerk:
    """Does its round every second until stopped; what fails is tried again in the next."""

    def __init__(self, settings: PolicySettings) -> None:
        self._settings = settings
        self._dsn = settings.dsn_policies.get_secret_value()
        url = settings.smtp_url.get_secret_value()
        self._mail = Mail(url, settings.mail_from, settings.egress, settings.notice_timeout_s) if url else None
        self._conn: asyncpg.Connection | None = None
        self.sent = 0
        self.trouble = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            try:
                await self.round()
                self.trouble = ""
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                self.trouble = f"{type(error).__name__}: {error}"
                self._drop()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.0)
        self._drop()

    async def round(self) -> None:
        """Do everything that is due now."""
        if self._conn is None or self._conn.is_closed():
            self._conn = await connect(self._dsn, timeout_s=30.0)
        await settle_time(self._conn, datetime.now(UTC), self._settings.catalog_url)
        while await count(self._conn):
            continue
        await self._send(self._conn)

    async def _send(self, conn: asyncpg.Connection) -> None:
        taken = await notices.claim(conn, _AT_ONCE, _LEASE_S)
        if not taken:
            return
        secrets = {one.id: await notices.secret_of(conn, one.party, one.address) for one in taken}
        async with egress.session(self._settings.egress, self._settings.notice_timeout_s) as http:

            async def one(owed: notices.Owed) -> str:
                try:
                    if owed.channel == "webhook":
                        await webhook(http, owed, secrets[owed.id])
                    elif self._mail is not None:
                        await self._mail.send(owed)
                    else:
                        raise Failed("no mail server is set: DATAPOLIS_SMTP_URL")
                except Failed as failed:
                    return str(failed)
                return ""

            outcomes = await asyncio.gather(*(one(owed) for owed in taken))
        for owed, error in zip(taken, outcomes, strict=True):
            if error:
                last = owed.tries >= self._settings.notice_tries
                wait_s = min(_LONGEST_S, self._settings.notice_first_s * 2.0 ** (owed.tries - 1))
                await notices.failed(conn, owed.id, error, None if last else wait_s)
            else:
                self.sent += 1
                await notices.sent(conn, owed.id)

    def _drop(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.terminate()
