"""Governance at the door: who calls, for which purpose, under which tenant, what is decided, and the record of it.

Every operation starts with `enter`. From then on the request has a `Call`, and whatever becomes of it (an answer, or an
error in the handlers of `broker.app`) is recorded once, before the first byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response
from uuid_utils import uuid7

from broker.core.access import Access
from broker.core.errors import NgsiLdError, NonexistentTenant
from broker.core.ids import DEFAULT_TENANT, parse_tenant
from broker.http.negotiate import check_length
from broker.http.problems import (
    Denied,
    NeedToken,
    denied,
    from_trust,
    rate_exceeded,
    respond,
    status_of,
    unavailable,
)
from broker.http.services import Services, services
from broker.store.write import Outcome
from policies import PUBLIC, Action, Caller, Decision, EngineUnavailable, PurposeError, RateExceeded, TokenError
from policies.audit import AuditRecord, Prepared, prepare

__all__ = ["ACCESS", "AUDIT", "TENANT", "Call", "call_of", "echo", "enter", "fail", "record"]

AUDIT = "Datapolis-Audit"
ACCESS = "Datapolis-Access"
TENANT = "NGSILD-Tenant"

Verdict = Literal["allowed", "denied", "error"]


@dataclass(slots=True)
class Call:
    """One request under governance. `schema` and `decision` are set once the caller may act."""

    services: Services
    action: Action
    request: str
    tenant: str = DEFAULT_TENANT
    tenant_header: str | None = None
    caller: Caller = PUBLIC
    purpose: str = ""
    schema: str = ""
    decision: Decision | None = None
    audit_id: str = field(default_factory=lambda: str(uuid7()))

    @property
    def access(self) -> Access:
        """What the caller may touch; nothing before the decision."""
        return self.decision.access if self.decision is not None else Access()

    @property
    def cause(self) -> str:
        """The `cause` of this request's change events."""
        return f"http:{self.audit_id}"

    def seal(self, outcome: Verdict, entities: int = 0, reason: str | None = None) -> Prepared:
        """Make this request's audit record."""
        return prepare(
            record(
                self.action,
                self.tenant,
                self.caller,
                self.purpose,
                self.request,
                self.decision,
                outcome,
                entities,
                reason,
                self.audit_id,
            )
        )

    def seal_write(self, outcome: Outcome) -> Prepared:
        """Make the audit record of a single write from what became of it."""
        if outcome.error is None:
            return self.seal("allowed", 1)
        return self.seal(verdict(outcome.error), 0, outcome.error.name)

    def headers(self, receipt: str | None) -> dict[str, str]:
        """Give the headers that every answer to this request carries."""
        found: dict[str, str] = {}
        if receipt is not None:
            found[AUDIT] = receipt
        if self.tenant_header is not None:
            found[TENANT] = self.tenant_header
        if self.services.settings.access == "open":
            found[ACCESS] = "open"
        return found

    async def commit(self, outcome: Verdict, entities: int = 0, reason: str | None = None) -> Prepared:
        """Commit this request's audit record, with those of others. HttpProblem (503) if that cannot be done."""
        prepared = self.seal(outcome, entities, reason)
        await self.services.audit.commit(prepared)
        return prepared


def record(
    action: Action,
    tenant: str,
    caller: Caller,
    purpose: str,
    request: str,
    decision: Decision | None,
    outcome: Verdict,
    entities: int,
    reason: str | None = None,
    audit_id: str = "",
) -> AuditRecord:
    """Put the audit record of a request together."""
    return AuditRecord(
        action=action,
        agreements=decision.agreements if decision is not None else (),
        caller=caller.party,
        door="ngsi-ld",
        entities=entities,
        id=audit_id,
        outcome=outcome,
        purpose=purpose,
        reason=reason,
        request=request,
        revision=decision.revision if decision is not None else 0,
        roles=caller.roles,
        tenant=tenant,
        tier=caller.tier,
    )


def verdict(error: NgsiLdError) -> Verdict:
    """Classify an error for the audit."""
    return "denied" if isinstance(error, Denied | NeedToken) else "error"


async def enter(request: Request, action: Action, *, creates: bool = False, any_tenant: bool = False) -> Call:
    """Verify the caller, find purpose and tenant, and decide.

    With `creates` an unknown tenant may be made, with `any_tenant` there need be none; else it is an error (5.5.10).
    """
    query = request.url.query
    text = f"{request.method} {request.url.path}" + (f"?{'&'.join(sorted(query.split('&')))}" if query else "")
    call = Call(services(request), action, text[:4000])
    request.state.call = call
    call.tenant_header = request.headers.get("ngsild-tenant")
    trust = call.services.trust
    try:
        call.tenant = parse_tenant(call.tenant_header)
        call.caller = await trust.verify(request.headers)
        check_length(request)
        call.purpose = trust.purpose(call.caller, request.headers.get("data-purpose"))
        decision = await trust.decide(call.caller, call.purpose, action, call.tenant)
    except (TokenError, PurposeError) as error:
        raise from_trust(error) from error
    except EngineUnavailable as error:
        raise unavailable(error.detail) from error
    if not decision.allow:
        call.decision = decision
        raise _refusal(call, decision)
    call.decision = decision
    try:
        call.decision = decision = trust.within_rate(decision)
    except RateExceeded as error:
        raise rate_exceeded(error) from error
    trust.used(decision)
    if not any_tenant:
        call.schema = await _schema(call, creates)
    return call


def _refusal(call: Call, decision: Decision) -> NgsiLdError:
    if call.caller is PUBLIC and decision.reason == "no_agreement":
        detail = "this needs a token: no public agreement covers it; send Authorization: Bearer <token>"
        return NeedToken("https://datapolis.example/errors/unauthenticated", 401, "A token is needed", detail)
    return denied(decision)


async def _schema(call: Call, creates: bool) -> str:
    found = await call.services.tenants.schema(call.tenant)
    if found is not None:
        return found
    if creates:
        try:
            allowed = await call.services.trust.decide(call.caller, call.purpose, "tenant", call.tenant)
        except EngineUnavailable as error:
            raise unavailable(error.detail) from error
        if allowed.allow:
            return await call.services.tenants.create(call.tenant)
    raise NonexistentTenant(f"there is no tenant {call.tenant}")


def call_of(request: Request) -> Call | None:
    """Give the request's call if it has entered."""
    found: Call | None = getattr(request.state, "call", None)
    return found


def echo(request: Request) -> dict[str, str]:
    """Give the header of the tenant that a request names, which every answer to it carries (6.3.14)."""
    named = request.headers.get(TENANT)
    return {} if named is None else {TENANT: named}


async def fail(request: Request, error: NgsiLdError) -> Response:
    """Answer with an error, after its audit record is committed; without the record the answer is 503."""
    call = call_of(request)
    if call is None:
        return respond(error, echo(request))
    reason = str(error.members["reason"]) if isinstance(error, Denied) else error.name
    try:
        prepared = await call.commit(verdict(error), 0, reason)
    except NgsiLdError as problem:
        return respond(problem, call.headers(None))
    headers = call.headers(prepared.receipt)
    if status_of(error) == 503 and not headers:
        return respond(error)
    return respond(error, headers)
