"""One decision: the input for OPA, and its answer as grants in the broker's own terms."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from policies import times
from policies.answer import ANSWER, Allowed, Refused
from policies.caller import Caller
from policies.decision import KEY_ACTIONS, Action, Decision, Duty, EngineUnavailable
from policies.grants import access
from policies.opa import Engine
from policies.store.agreements import Concerning, concerning
from policies.store.connect import Conn

__all__ = ["ask", "considered", "decision", "document"]


def document(caller: Caller, purpose: str, action: Action, tenant: str, known: Concerning, now: str) -> dict[str, Any]:
    """Build OPA's input; the form is `policies.answer.DecisionInput`."""
    return {
        "caller": {"party": caller.party, "sub": caller.sub, "tier": caller.tier, "roles": list(caller.roles)},
        "purpose": purpose,
        "action": action,
        "tenant": tenant,
        "now": now,
        "agreements": known.agreements,
    }


def _read(document: dict[str, Any]) -> Allowed | Refused:
    try:
        return ANSWER.validate_python(document)
    except ValidationError as error:
        members = ", ".join(sorted({".".join(map(str, fault["loc"])) for fault in error.errors()}))
        raise EngineUnavailable(f"OPA's answer is not in the form of a decision: {members}") from error


async def considered(
    engine: Engine, caller: Caller, purpose: str, action: Action, tenant: str, known: Concerning, now: str
) -> Allowed | Refused:
    """Ask what the answer would be under these agreements, whatever stands in the database."""
    return _read(await engine.ask(document(caller, purpose, action, tenant, known, now)))


def decision(
    document: dict[str, Any], known: Concerning, action: Action, catalog_url: str, party: str = ""
) -> Decision:
    """Read OPA's answer about the party's action; one not in its form is no decision (EngineUnavailable)."""
    answer = _read(document)
    until = datetime.fromisoformat(answer.until) if answer.until else None
    if isinstance(answer, Refused):
        domains = [answer.domain] if answer.domain else known.domains
        return Decision(
            False,
            reason=answer.reason,
            detail=answer.detail,
            apply_at=f"{catalog_url}/trust/terms/{domains[0]}" if len(domains) == 1 else f"{catalog_url}/trust/terms",
            until=until,
            revision=known.revision,
        )
    found = access(answer, action)
    if not found.grants:
        detail = "The agreements in force give aggregates or coarser values only, which this action does not."
        apply_at = f"{catalog_url}/trust/terms"
        return Decision(
            False, reason="no_agreement", detail=detail, apply_at=apply_at, until=until, revision=known.revision
        )
    own = {item["uid"] for item in known.agreements if item["assignee"] == party}
    duties = tuple(Duty(duty.agreement, duty.kind, duty.value, duty.agreement in own) for duty in answer.duties)
    return Decision(
        True,
        found,
        duties=duties,
        until=until,
        agreements=tuple(sorted({(grant.agreement, grant.version) for grant in answer.grants})),
        revision=known.revision,
        rates=tuple(duty for duty in duties if duty.kind == "rate"),
    )


async def ask(
    engine: Engine, conn: Conn, caller: Caller, purpose: str, action: Action, tenant: str, catalog_url: str
) -> Decision:
    """Decide by the agreements that stand in the database now."""
    known = await concerning(conn, caller.party, caller.tier, tenant)
    if caller.agreement:
        if action not in KEY_ACTIONS:
            return _not_by_key(action, known, catalog_url)
        known = _bound(known, caller.agreement)
    now = times.text(datetime.now(UTC))
    answer = await engine.ask(document(caller, purpose, action, tenant, known, now))
    return decision(answer, known, action, catalog_url, caller.party)


def _bound(known: Concerning, agreement: str) -> Concerning:
    """Leave the grants of one agreement alone; what the others prohibit stays prohibited."""
    items = [item if item["uid"] == agreement else {**item, "permission": []} for item in known.agreements]
    return replace(known, agreements=items)


def _not_by_key(action: Action, known: Concerning, catalog_url: str) -> Decision:
    detail = f"An access key serves {', '.join(sorted(KEY_ACTIONS))}, not {action}; send a token."
    return Decision(
        False, reason="no_agreement", detail=detail, apply_at=f"{catalog_url}/trust/terms", revision=known.revision
    )
