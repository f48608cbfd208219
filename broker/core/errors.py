"""Errors of the NGSI-LD API, one class per error type (CIM 009 V1.9.1, 5.5.2).

They carry no HTTP: `broker.http.problems` holds the one status table (6.3.2).
"""

__all__ = [
    "AlreadyExists",
    "BadRequestData",
    "Conflict",
    "InternalError",
    "InvalidRequest",
    "LdContextNotAvailable",
    "NgsiLdError",
    "NoMultiTenantSupport",
    "NonexistentTenant",
    "OperationNotSupported",
    "ResourceNotFound",
    "TooComplexQuery",
    "TooManyResults",
]

ERRORS_BASE = "https://uri.etsi.org/ngsi-ld/errors/"


class NgsiLdError(Exception):
    """Base of every error that the API reports; `detail` says what was wrong, where, and what to do."""

    name = "InternalError"
    title = "Internal error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def type_uri(self) -> str:
        """The `type` of the ProblemDetails, e.g. `https://uri.etsi.org/ngsi-ld/errors/BadRequestData`."""
        return ERRORS_BASE + self.name


class InvalidRequest(NgsiLdError):
    """The request is syntactically wrong, or its inputs are not in the operation's form."""

    name = "InvalidRequest"
    title = "The request is not valid"


class BadRequestData(NgsiLdError):
    """The request's data do not meet the operation's requirements."""

    name = "BadRequestData"
    title = "The request's data are not valid"


class AlreadyExists(NgsiLdError):
    """The element already exists."""

    name = "AlreadyExists"
    title = "The element already exists"


class Conflict(NgsiLdError):
    """The operation conflicts with what exists (named in 5.5.2, absent from 6.3.2)."""

    name = "Conflict"
    title = "The operation conflicts with what exists"


class OperationNotSupported(NgsiLdError):
    """The operation is not supported."""

    name = "OperationNotSupported"
    title = "The operation is not supported"


class ResourceNotFound(NgsiLdError):
    """The resource does not exist (or the caller may not see it)."""

    name = "ResourceNotFound"
    title = "The resource was not found"


class TooComplexQuery(NgsiLdError):
    """The query is too complex to be run."""

    name = "TooComplexQuery"
    title = "The query is too complex"


class TooManyResults(NgsiLdError):
    """The query would give more results than can be returned."""

    name = "TooManyResults"
    title = "The query gives too many results"


class LdContextNotAvailable(NgsiLdError):
    """A remote JSON-LD @context cannot be retrieved or resolved."""

    name = "LdContextNotAvailable"
    title = "A JSON-LD @context is not available"


class NoMultiTenantSupport(NgsiLdError):
    """Tenants are not supported."""

    name = "NoMultiTenantSupport"
    title = "Tenants are not supported"


class NonexistentTenant(NgsiLdError):
    """The tenant does not exist."""

    name = "NonexistentTenant"
    title = "The tenant does not exist"


class InternalError(NgsiLdError):
    """Something failed inside; the detail never carries internals."""
