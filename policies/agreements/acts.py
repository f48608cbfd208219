"""Acts on agreements: offer, amend, approve, refuse, withdraw, and the sanctions warn, suspend and revoke.

A proposal is a version that is not in force, so nothing that is written here opens a door before it is approved. The
approval that completes what the domain demands puts the version into force and the one before it out, in one
transaction with the raise of the revision.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from policies.agreements import obligations
from policies.agreements.desk import Actor, Desk, Done, NoSuchThing, Unfit
from policies.agreements.lifecycle import row_of
from policies.domains import CityFileError
from policies.notices import tell_party, tell_steward
from policies.store import lifecycle as store
from policies.store.applications import Assessment, current_assessment, settle_application
from policies.store.city import VersionError, put_agreement
from policies.store.connect import Conn
from policies.store.lifecycle import Version

__all__ = ["Sanction", "amend", "approve", "end", "offer", "refuse", "sanction", "withdraw"]

Sanction: TypeAlias = Literal["warn", "suspend", "resume", "revoke"]
_BEFORE: dict[Sanction, tuple[str, ...]] = {
    "warn": ("active", "suspended"),
    "suspend": ("active",),
    "resume": ("suspended",),
    "revoke": ("active", "suspended", "offered"),
}
_AFTER: dict[Sanction, str] = {"suspend": "suspended", "resume": "active", "revoke": "revoked"}
_SAID = {"warn": "warned", "suspend": "suspended", "resume": "active again", "revoke": "revoked"}
_PERSONAL = ("personal", "sensitive")


def page_of(uid: str) -> str:
    """The page of an agreement."""
    return f"/trust/agreements/{uid}"


def _title(version: Version) -> str:
    return next(iter(version.body["title"].values()), version.uid)


async def _assessment(conn: Conn, version: Version) -> Assessment | None:
    return await current_assessment(conn, version.domain, version.body["assessment"])


async def _in_force(conn: Conn, uid: str) -> Version:
    found = await store.latest(conn, uid, proposed=False)
    if found is None:
        raise NoSuchThing(f"there is no agreement {uid!r} that is or was in force; see /trust/agreements")
    return found


async def _proposal(conn: Conn, uid: str, number: int | None) -> Version:
    found = await store.latest(conn, uid, proposed=True)
    if found is None or (number is not None and found.version != number):
        raise NoSuchThing(f"no version of {uid!r} waits for approval" + (f" as version {number}" if number else ""))
    return found


def _why(why: str) -> str:
    if not why.strip():
        raise Unfit("say why: `reason` goes to the party and into the record")
    return why.strip()


async def offer(desk: Desk, actor: Actor, source: dict[str, Any]) -> Done:
    """Offer terms to a tier: store an Offer, to which parties of that tier may apply."""
    admitted = desk.admit(source, "the offer")
    if admitted.agreement.type_ != "Offer":
        raise CityFileError("the offer: @type: must be Offer, with the status offered")
    uid = admitted.agreement.uid

    async def work(conn: Conn) -> Done:
        domain = await desk.domain(conn, admitted.agreement.domain)
        await desk.rule(conn, actor, "offer", domain)
        before = await store.latest(conn, uid, proposed=False)
        if before is not None and before.status not in ("offered", "revoked"):
            raise Unfit(f"{uid} is an agreement, not an offer; give the offer another uid")
        try:
            changed = await put_agreement(conn, row_of(admitted))
        except VersionError as error:
            raise Unfit(str(error)) from error
        version = await _in_force(conn, uid)
        receipt = await desk.note(conn, actor, "offer", version, "offered") if changed else ""
        return Done({"uid": uid, "version": version.version, "status": "offered"}, receipt, page_of(uid))

    return await desk.perform(actor, f"offer {uid}", work)


async def amend(desk: Desk, actor: Actor, uid: str, source: dict[str, Any]) -> Done:
    """Propose a new text of an agreement, or another text of a proposal that waits; it needs approval like any."""
    admitted = desk.admit({**source, "status": "applied"})
    wanted = admitted.agreement

    async def work(conn: Conn) -> Done:
        waiting = await store.latest(conn, uid, proposed=True)
        base = waiting or await _in_force(conn, uid)
        domain = await desk.domain(conn, base.domain)
        await desk.rule(conn, actor, "amend", domain, base.assignee)
        if (wanted.uid, wanted.domain, wanted.assignee) != (uid, base.domain, base.assignee):
            raise Unfit("an amendment keeps uid, domain and assignee; for others an agreement of its own is needed")
        if base.status not in ("active", "suspended", "expired", "applied"):
            raise Unfit(f"{uid} is {base.status}; it is not amended any more")
        number = base.version if waiting else base.version + 1
        if wanted.version != number:
            raise Unfit(f"version {base.version} stands; the amendment must have version {number}")
        await store.put_proposal(conn, row_of(admitted))
        await store.drop_approvals(conn, uid, number)
        version = await _proposal(conn, uid, number)
        receipt = await desk.note(conn, actor, "amend", version, "applied")
        said = {"agreement": uid, "version": number, "page": page_of(uid)}
        await tell_party(
            conn, base.assignee, "agreement.proposed", f"A new text is proposed: {_title(version)}",
            desk.settings.catalog_url, said,
        )  # fmt: skip
        return Done({"uid": uid, "version": number, "status": "applied"}, receipt, page_of(uid))

    return await desk.perform(actor, f"agreement {uid} amend", work)


async def approve(desk: Desk, actor: Actor, uid: str, number: int | None = None, why: str = "") -> Done:
    """Approve the text that waits; the approval that completes what the domain demands puts it into force."""

    async def work(conn: Conn) -> Done:
        version = await _proposal(conn, uid, number)
        domain = await desk.domain(conn, version.domain)
        given = await store.approvals(conn, uid, version.version, version.digest)
        assessment = await _assessment(conn, version)
        complete = await desk.rule(conn, actor, "approve", domain, version.assignee, given, assessment)
        caller = actor.caller
        await store.approve(conn, uid, version.version, version.digest, caller.party, caller.sub)
        if complete and version.valid_until <= datetime.now(UTC):
            raise Unfit(f"version {version.version} ended at {version.valid_until:%Y-%m-%d}; amend its `valid` first")
        status = "active" if complete else "applied"
        receipt = await desk.note(conn, actor, "approve", version, status, why)
        result: dict[str, Any] = {"uid": uid, "version": version.version, "status": status}
        if complete:
            await _activate(desk, conn, version)
            if domain["classification"] in _PERSONAL and assessment is not None:
                result["assessment"] = assessment.id
        else:
            result["waits_for"] = "the approval of a second person"
        return Done(result, receipt, page_of(uid))

    return await desk.perform(actor, f"agreement {uid} approve", work)


async def _activate(desk: Desk, conn: Conn, version: Version) -> None:
    before = await store.latest(conn, version.uid, proposed=False)
    if before is not None:
        await store.move(conn, before.uid, before.version, "amended", current=False)
    await store.move(conn, version.uid, version.version, "active", current=True)
    await obligations.schedule(conn, version.uid, version.body, datetime.now(UTC))
    await settle_application(conn, version.uid, "granted", {"version": version.version})
    said = {"agreement": version.uid, "version": version.version, "status": "active", "page": page_of(version.uid)}
    kind = "agreement.amended" if before else "agreement.active"
    await tell_party(conn, version.assignee, kind, f"In force: {_title(version)}", desk.settings.catalog_url, said)


async def refuse(desk: Desk, actor: Actor, uid: str, why: str, number: int | None = None) -> Done:
    """Refuse the text that waits, with the reason."""
    why = _why(why)

    async def work(conn: Conn) -> Done:
        version = await _proposal(conn, uid, number)
        domain = await desk.domain(conn, version.domain)
        await desk.rule(conn, actor, "refuse", domain, version.assignee)
        await store.move(conn, uid, version.version, "refused", current=False)
        await settle_application(conn, uid, "refused", {"reason": why})
        receipt = await desk.note(conn, actor, "refuse", version, "refused", why)
        said = {"agreement": uid, "version": version.version, "status": "refused", "reason": why, "page": page_of(uid)}
        subject = f"Refused: {_title(version)}"
        await tell_party(conn, version.assignee, "agreement.refused", subject, desk.settings.catalog_url, said)
        return Done({"uid": uid, "version": version.version, "status": "refused"}, receipt, page_of(uid))

    return await desk.perform(actor, f"agreement {uid} refuse", work)


async def withdraw(desk: Desk, actor: Actor, uid: str, why: str = "") -> Done:
    """Take back what one has applied for."""

    async def work(conn: Conn) -> Done:
        version = await _proposal(conn, uid, None)
        domain = await desk.domain(conn, version.domain)
        await desk.rule(conn, actor, "withdraw", domain, version.assignee)
        await store.move(conn, uid, version.version, "withdrawn", current=False)
        await settle_application(conn, uid, "withdrawn", {"reason": why})
        receipt = await desk.note(conn, actor, "withdraw", version, "withdrawn", why)
        said = {"agreement": uid, "version": version.version, "status": "withdrawn", "page": page_of(uid)}
        subject = f"Withdrawn: {_title(version)}"
        await tell_steward(conn, domain, "agreement.withdrawn", subject, desk.settings.catalog_url, said)
        return Done({"uid": uid, "version": version.version, "status": "withdrawn"}, receipt, page_of(uid))

    return await desk.perform(actor, f"agreement {uid} withdraw", work)


async def sanction(desk: Desk, actor: Actor, uid: str, act: Sanction, why: str) -> Done:
    """Warn, suspend, resume or revoke, with grounds; in force on every worker within a second."""
    why = _why(why)

    async def work(conn: Conn) -> Done:
        version = await _in_force(conn, uid)
        domain = await desk.domain(conn, version.domain)
        assessment = await _assessment(conn, version)
        await desk.rule(conn, actor, act, domain, version.assignee, (), assessment)
        if version.status not in _BEFORE[act]:
            raise Unfit(f"{uid} is {version.status}; {act} needs one that is {' or '.join(_BEFORE[act])}")
        status = _AFTER.get(act, version.status)
        if status != version.status:
            await store.move(conn, uid, version.version, status, current=True)
        if act == "revoke":
            await obligations.ended(conn, uid, datetime.now(UTC))
        receipt = await desk.note(conn, actor, act, version, status, why)
        said = {
            "agreement": uid, "version": version.version, "status": status, "reason": why, "page": page_of(uid),
        }  # fmt: skip
        subject = f"{_SAID[act].capitalize()}: {_title(version)}"
        kind = f"agreement.{'warned' if act == 'warn' else 'resumed' if act == 'resume' else status}"
        if version.status != "offered":
            await tell_party(conn, version.assignee, kind, subject, desk.settings.catalog_url, said)
        await tell_steward(conn, domain, kind, subject, desk.settings.catalog_url, said)
        return Done({"uid": uid, "version": version.version, "status": status}, receipt, page_of(uid))

    return await desk.perform(actor, f"agreement {uid} {act}", work)


async def end(conn: Conn, version: Version, domain: dict[str, Any], catalog_url: str) -> None:
    """Tell of an agreement whose time is over, and settle what is owed; its status is set already."""
    await obligations.ended(conn, version.uid, version.valid_until)
    said = {"agreement": version.uid, "version": version.version, "status": "expired", "page": page_of(version.uid)}
    subject = f"Ended: {_title(version)}"
    await tell_party(conn, version.assignee, "agreement.expired", subject, catalog_url, said)
    await tell_steward(conn, domain, "agreement.expired", subject, catalog_url, said)
