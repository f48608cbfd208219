"""One decision: the input for OPA, and its answer as grants in the broker's own terms."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from policies.caller import Caller
from policies.decision import Action, Decision, Duty
from policies.grants import access
from policies.opa import Engine
from policies.store.agreements import Concerning, concerning
from policies.store.connect import Conn

__all__ = ["ask", "decision", "document"]


def document(caller: Caller, purpose: str, action: Action, tenant: str, known: Concerning, now: str) -> dict[str, Any]:
    """Build OPA's input."""
    return {
        "caller": {"party": caller.party, "sub": caller.sub, "tier": caller.tier, "roles": list(caller.roles)},
        "purpose": purpose,
        "action": action,
        "tenant": tenant,
        "now": now,
        "agreements": known.agreements,
    }


def decision(answer: dict[str, Any], known: Concerning, catalog_url: str) -> Decision:
    """Read OPA's answer."""
    if not answer["allow"]:
        domains = [answer["domain"]] if answer.get("domain") else known.domains
        return Decision(
            False,
            reason=answer["reason"],
            detail=answer["detail"],
            apply_at=f"{catalog_url}/trust/terms/{domains[0]}" if len(domains) == 1 else f"{catalog_url}/trust/terms",
            until=_time(answer.get("until")),
            revision=known.revision,
        )
    grants = answer["grants"]
    return Decision(
        True,
        access(grants, answer["prohibitions"]),
        duties=tuple(Duty(duty["agreement"], duty["kind"], duty["value"]) for duty in answer["duties"]),
        until=_time(answer.get("until")),
        agreements=tuple(sorted({(grant["agreement"], grant["version"]) for grant in grants})),
        revision=known.revision,
    )


async def ask(
    engine: Engine, conn: Conn, caller: Caller, purpose: str, action: Action, tenant: str, catalog_url: str
) -> Decision:
    """Decide by the agreements that stand in the database now."""
    known = await concerning(conn, caller.party, caller.tier, tenant)
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    answer = await engine.ask(document(caller, purpose, action, tenant, known, now))
    return decision(answer, known, catalog_url)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
