"""What the routes work with; made once per worker by `broker.app`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from broker.http.audit import AuditGroup
from broker.ld.contexts import Contexts
from broker.settings import BrokerSettings
from broker.store.coalesce import Reads
from broker.store.contexts import ContextStorage
from broker.store.group import WriteGroup
from broker.store.pool import Pool
from broker.store.tenants import Tenants
from policies import Trust

__all__ = ["Services", "services"]


@dataclass(slots=True)
class Services:
    """The parts of one running worker.

    The audit has connections of its own: a record must not wait in line behind the reads whose answers wait for it.
    """

    settings: BrokerSettings
    pool: Pool
    records: Pool
    trust: Trust
    contexts: Contexts
    context_storage: ContextStorage
    hosted: Mapping[str, Any]
    tenants: Tenants = field(init=False)
    reads: Reads = field(init=False)
    writes: WriteGroup = field(init=False)
    audit: AuditGroup = field(init=False)

    def __post_init__(self) -> None:
        self.tenants = Tenants(self.pool)
        self.reads = Reads(self.pool)
        self.writes = WriteGroup(self.pool)
        self.audit = AuditGroup(self.records)


def services(request: Request) -> Services:
    """Give the parts of this worker."""
    found: Services = request.app.state.services
    return found
