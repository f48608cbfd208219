"""Who calls /trust: a token of the issuer; an access key is for reading data and opens nothing here."""

from __future__ import annotations

from fastapi import Request

from policies.caller import PUBLIC, Caller, TokenError
from policies.trust import Trust

__all__ = ["caller_of", "stewarded"]


async def caller_of(request: Request, token: str | None = None) -> Caller:
    """Verify the request's token, or one that a form brought. Raises TokenError (401), EngineUnavailable (503)."""
    trust: Trust = request.app.state.trust
    caller = await trust.verify({"authorization": f"Bearer {token}"} if token else request.headers)
    if caller is PUBLIC:
        raise TokenError("this needs a token: send Authorization: Bearer <token>")
    if caller.agreement:
        raise TokenError("an access key is for reading data; send a token of the issuer")
    return caller


def stewarded(caller: Caller) -> list[str]:
    """Name the domains that the caller is a steward of, by its roles `steward:<domain>`."""
    return [role.partition(":")[2] for role in caller.roles if role.startswith("steward:")]
