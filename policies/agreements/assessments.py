"""Impact assessments: what use of a domain's data may do to people, who has reviewed it, until when it holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from uuid_utils import uuid7

from policies import times
from policies.agreements.desk import Actor, Desk, Done, NoSuchThing, Unfit
from policies.notices import tell_party, tell_steward
from policies.store import obligations
from policies.store.applications import put_assessment
from policies.store.connect import Conn
from policies.store.lifecycle import latest

__all__ = ["AssessmentForm", "ReportForm", "Risk", "assess", "report"]


class Risk(BaseModel):
    """One thing that may happen to people, how likely and how grave, and what is done about it."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    risk: str = Field(min_length=3, max_length=1000)
    likelihood: Literal["low", "medium", "high"]
    severity: Literal["low", "medium", "high"]
    measure: str = Field(min_length=3, max_length=1000)


class AssessmentForm(BaseModel):
    """An assessment as recorded. `summary` is public, and so are reviewer, date and risks."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    domain: str = Field(min_length=1, max_length=64)
    title: str = Field(min_length=3, max_length=200)
    summary: str = Field(min_length=20, max_length=5000)
    reviewer: str = Field(min_length=2, max_length=200)
    expires: AwareDatetime
    risks: Annotated[list[Risk], Field(min_length=1, max_length=50)]


class ReportForm(BaseModel):
    """What is said of a duty that has been met: where, and what came of it."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    statement: str = Field(min_length=10, max_length=5000)
    url: str = Field(default="", pattern=r"^(https?://\S+)?$", max_length=500)


async def assess(desk: Desk, actor: Actor, form: AssessmentForm) -> Done:
    """Record an impact assessment of a domain."""

    async def work(conn: Conn) -> Done:
        domain = await desk.domain(conn, form.domain)
        await desk.rule(conn, actor, "assess", domain)
        if form.expires <= datetime.now(UTC):
            raise Unfit("`expires` must lie in the future")
        id_ = f"urn:datapolis:assessment:{uuid7()}"
        body: dict[str, Any] = {
            **form.model_dump(mode="json", exclude={"expires"}),
            "expires": times.text(form.expires),
            "recorded_by": actor.caller.party,
        }
        await put_assessment(conn, id_, form.domain, body, form.expires)
        prepared = await desk.record(conn, actor, f"assessment {id_} of {form.domain}", domain["tenant"])
        return Done({"id": id_, "domain": form.domain}, prepared.receipt, f"/trust/assessments/{id_}")

    return await desk.perform(actor, f"assess {form.domain}", work)


async def report(desk: Desk, actor: Actor, id_: str, form: ReportForm) -> Done:
    """Say that a duty has been met."""

    async def work(conn: Conn) -> Done:
        owed = await obligations.obligation(conn, id_)
        version = None if owed is None else await latest(conn, owed.agreement, proposed=False)
        if owed is None or version is None:
            raise NoSuchThing(f"there is no duty {id_}")
        domain = await desk.domain(conn, version.domain)
        await desk.rule(conn, actor, "report", domain, version.assignee)
        if owed.status not in ("due", "overdue"):
            raise Unfit(f"this duty is {owed.status} already")
        await obligations.meet(conn, id_, form.statement, form.url, actor.caller.sub)
        receipt = await desk.note(conn, actor, "report", version, version.status, f"{owed.kind}: {form.statement}")
        said = {"agreement": version.uid, "duty": owed.kind, "page": f"/trust/agreements/{version.uid}"}
        subject = f"Duty met: {owed.kind.replace('_', ' ')}"
        await tell_steward(conn, domain, "duty.met", subject, desk.settings.catalog_url, said)
        await tell_party(conn, version.assignee, "duty.met", subject, desk.settings.catalog_url, said)
        return Done({"id": id_, "status": "met"}, receipt, f"/trust/agreements/{version.uid}")

    return await desk.perform(actor, f"report {id_}", work)
