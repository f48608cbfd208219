"""What a notification holds: entities as the subscriber wants to see them, and the request that carries them.

(CIM 009 V1.9.1, 4.5.1 to 4.5.4, 4.5.16, 4.15, 4.21, 5.3.1, 5.8.6, 6.3.8)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from broker.core import times
from broker.core.entity import ENTITY_MEMBERS, LOCATION, Doc
from broker.core.geojson import feature, geometry
from broker.core.project import language, project, without_expiry
from broker.core.subscription import Subscription
from broker.ld.active import Active
from broker.ld.internal import to_external
from ontologies import load

__all__ = ["content", "entities"]

_CONTEXT_REL: Final = "http://www.w3.org/ns/json-ld#context"
_GEO_JSON: Final = "application/geo+json"
_LD_JSON: Final = "application/ld+json"


def entities(
    subscription: Subscription, docs: Iterable[Doc], active: Active, deleted_at: str | None = None
) -> list[dict[str, Any]]:
    """Render what the subscriber sees of entities; those of which its projection leaves nothing are left out.

    `deleted_at`: when the entity was deleted (canonical).
    """
    found = [_entity(subscription, doc, active, deleted_at) for doc in docs]
    return [one for one in found if one is not None]


def _entity(subscription: Subscription, whole: Doc, active: Active, deleted_at: str | None) -> dict[str, Any] | None:
    doc = project(whole, subscription.projection)
    if not doc:
        return None
    doc = {name: value if name in ENTITY_MEMBERS else without_expiry(value) for name, value in doc.items()}
    if subscription.languages:
        doc = language(doc, subscription.languages)
    found = to_external(doc, active, subscription.format)
    if deleted_at is not None:
        found["deletedAt"] = times.shown(deleted_at)
    if subscription.endpoint.accept != _GEO_JSON:
        return found
    return feature(found, geometry(whole.get(LOCATION), subscription.projection.datasets))


def content(
    subscription: Subscription, name: str, notified_at: str, shown: Sequence[dict[str, Any]]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Build a Notification (5.3.1) and the headers that it is sent with (6.3.8).

    `name` is the same at every try, so that a receiver can tell repeats.
    """
    endpoint = subscription.endpoint
    context = subscription.context or load.CORE_CONTEXT
    headers = {"Content-Type": endpoint.accept}
    if subscription.tenant != "default":
        headers["NGSILD-Tenant"] = subscription.tenant
    data: Any = list(shown)
    linked = endpoint.accept != _LD_JSON
    if endpoint.accept == _GEO_JSON:
        linked = ("prefer", "body=json") in [(key.lower(), value) for key, value in endpoint.headers]
        data = {"type": "FeatureCollection", "features": data} | ({} if linked else {"@context": context})
    elif not linked:
        data = [one | {"@context": context} for one in data]
    if linked:
        headers["Link"] = f'<{context}>; rel="{_CONTEXT_REL}"; type="application/ld+json"'
    headers.update(endpoint.headers)
    body = {
        "id": f"urn:ngsi-ld:Notification:{name}",
        "type": "Notification",
        "subscriptionId": subscription.id,
        "notifiedAt": notified_at,
        "data": data,
    }
    return body, headers
