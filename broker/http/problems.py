"""Errors as answers: the one status table and ProblemDetails (CIM 009 V1.9.1, 5.5.3, 6.3.2, 6.3.3)."""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil
from typing import Any

import orjson
from starlette.responses import Response

from broker.core.errors import NgsiLdError
from policies.caller import PurposeError, TokenError
from policies.decision import Decision, RateExceeded

__all__ = [
    "DENIED",
    "STATUS",
    "Denied",
    "HttpProblem",
    "NeedToken",
    "denied",
    "from_trust",
    "problem",
    "rate_exceeded",
    "respond",
    "status_of",
    "unavailable",
]

STATUS: dict[str, int] = {
    "BadRequestData": 400,
    "InvalidRequest": 400,
    "TooComplexQuery": 403,
    "TooManyResults": 403,
    "ResourceNotFound": 404,
    "NonexistentTenant": 404,
    "AlreadyExists": 409,
    "Conflict": 409,
    "OperationNotSupported": 422,
    "InternalError": 500,
    "NoMultiTenantSupport": 501,
    "LdContextNotAvailable": 504,
}

DENIED = "https://datapolis.example/errors/denied"
UNAUTHENTICATED = "https://datapolis.example/errors/unauthenticated"
RATE = "https://datapolis.example/errors/rate"
UNAVAILABLE = "https://datapolis.example/errors/unavailable"


class HttpProblem(NgsiLdError):
    """An error of ours that clause 5.5.2 has no type for; it carries its own URI, status and members."""

    name = "HttpProblem"

    def __init__(
        self, type_uri: str, status: int, title: str, detail: str, members: dict[str, Any] | None = None
    ) -> None:
        super().__init__(detail)
        self._type_uri = type_uri
        self.status = status
        self.title = title
        self.members = members or {}

    @property
    def type_uri(self) -> str:
        """Our documented URI."""
        return self._type_uri


class Denied(HttpProblem):
    """The policy refuses the action (403), or its rate does (429)."""


class NeedToken(HttpProblem):
    """No token, and the public may not do this; or the token is not accepted (401)."""


def denied(decision: Decision, detail: str | None = None) -> Denied:
    """Say that the policy refuses the action: reason, and where to apply.

    A used-up quota is a term of the licence that has been reached, so it is 403 as other refusals are, and says when
    the next period begins; 429 is for who asks too fast (RFC 6585, 4), which slowing down mends.
    """
    members: dict[str, Any] = {"reason": decision.reason or "no_agreement", "apply_at": decision.apply_at}
    if decision.reason == "quota" and decision.until is not None:
        members["retry_after"] = max(1, ceil((decision.until - datetime.now(UTC)).total_seconds()))
    return Denied(DENIED, 403, "The policy refuses this action", detail or decision.detail, members)


def from_trust(error: TokenError | PurposeError) -> HttpProblem:
    """Translate a refusal of the token (401) or of the purpose (400)."""
    if isinstance(error, TokenError):
        return NeedToken(UNAUTHENTICATED, 401, "The token is not accepted", error.detail)
    return HttpProblem(
        "https://uri.etsi.org/ngsi-ld/errors/BadRequestData",
        400,
        "The purpose of the request is not clear",
        error.detail,
    )


def rate_exceeded(error: RateExceeded) -> HttpProblem:
    """Say that the agreed rate is exceeded, and when a request fits again (429)."""
    after = max(1, ceil(error.retry_after_s))
    return Denied(RATE, 429, "The agreed rate is exceeded", error.detail, {"reason": "rate", "retry_after": after})


def unavailable(detail: str) -> HttpProblem:
    """Say that no decision or no audit record can be given now (503)."""
    return HttpProblem(UNAVAILABLE, 503, "The request cannot be decided or audited now", detail)


def status_of(error: NgsiLdError) -> int:
    """Give the HTTP status of an error."""
    return error.status if isinstance(error, HttpProblem) else STATUS[error.name]


def problem(error: NgsiLdError) -> dict[str, Any]:
    """Write an error as ProblemDetails; batch items (5.2.17) use the same."""
    body: dict[str, Any] = {
        "type": error.type_uri,
        "title": error.title,
        "detail": error.detail,
        "status": status_of(error),
    }
    if isinstance(error, HttpProblem):
        body.update(error.members)
    return body


def respond(error: NgsiLdError, headers: dict[str, str] | None = None) -> Response:
    """Answer with an error: `application/json`, no Link header (6.3.6)."""
    head = dict(headers or {})
    status = status_of(error)
    if status == 401:
        head["WWW-Authenticate"] = "Bearer"
    if isinstance(error, HttpProblem) and "retry_after" in error.members:
        head["Retry-After"] = str(error.members["retry_after"])
    if status == 503:
        head["Retry-After"] = "1"
    return Response(orjson.dumps(problem(error)), status, head, media_type="application/json")
