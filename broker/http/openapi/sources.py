"""Operations on context source registrations (CIM 009 V1.9.1, 6.8, 6.9)."""

from __future__ import annotations

from typing import Final

from broker.http.openapi.operation import Operation
from broker.http.source_query import PARAMETERS

__all__ = ["SOURCES"]

_TAG: Final = "Context sources"
_ONE: Final = "/csourceRegistrations/{registrationId}"

SOURCES: Final[tuple[Operation, ...]] = (
    Operation("post", "/csourceRegistrations", "createRegistration", _TAG,
              "Register a context source (5.9.2). It is kept and told of; requests are not forwarded to it yet",
              {201: None}, body="CSourceRegistration", problems=(409,), headers=("Location",)),
    Operation("get", "/csourceRegistrations", "queryRegistrations", _TAG,
              "Registrations of sources that may have what is asked for (5.10.2), as far as the caller may read it",
              {200: "[CSourceRegistration]"}, PARAMETERS, headers=("Link", "NGSILD-Results-Count"), problems=(422,)),
    Operation("get", _ONE, "retrieveRegistration", _TAG, "One registration, as far as the caller may read it (5.10.1)",
              {200: "CSourceRegistration"}, {"options"}, headers=("Link",)),
    Operation("patch", _ONE, "updateRegistration", _TAG, "Change a registration of the caller (5.9.3)", {204: None},
              body="CSourceRegistrationFragment", problems=(409,)),
    Operation("delete", _ONE, "deleteRegistration", _TAG, "Delete a registration of the caller (5.9.4)", {204: None}),
)  # fmt: skip
