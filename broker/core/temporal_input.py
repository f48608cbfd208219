"""Evolutions as requests write them (CIM 009 V1.9.1, 5.2.20, 5.6.11, 5.6.12), split into history and current state.

Every instance enters the history under its (attribute, datasetId, observedAt); the later request wins. The newest
instance of each goes through the rule that feeds obey, so that current state is never older than the history says and
filters of policies see an entity that is known from its evolution alone. An instance that is the NGSI-LD Null says
that the attribute was deleted: it is history only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from broker.core import segments, times
from broker.core.entity import ENTITY_MEMBERS, Doc, Instance, dataset_of, instances
from broker.core.errors import BadRequestData
from broker.core.state import SCOPE, HistoryRow
from broker.core.validate import MAX_ATTRIBUTES, check_attribute, check_doc, is_null

__all__ = ["MAX_INSTANCES", "Contribution", "contribution", "scope_instances"]

MAX_INSTANCES: Final = 100_000
_SCOPE_MEMBERS: Final = frozenset({"type", "value", "observedAt", "createdAt", "modifiedAt", "deletedAt", "instanceId"})


@dataclass(slots=True)
class Contribution:
    """What an evolution comes to. `state`: the newest instances, as a document; `history`: all the others.

    `attributes`: all that it touches. `scope_at`: when the state's scope was observed, if it says. `begins`: its
    first instant.
    """

    state: Doc
    history: list[HistoryRow] = field(default_factory=list)
    attributes: set[str] = field(default_factory=set)
    scope_at: str | None = None
    begins: str | None = None


def contribution(
    doc: Doc,
    deleted: Mapping[str, Mapping[int, str]],
    received: str,
    event: str,
    *,
    need_type: bool,
    label: Callable[[str], str] = str,
) -> Contribution:
    """Check an evolution in internal form and split it. `received` is canonical.

    `deleted`: when an instance says that it was deleted, by attribute and place.
    """
    head = {name: value for name, value in doc.items() if name in ENTITY_MEMBERS}
    check_doc(head, need_type=need_type, label=label)
    if len(doc) > MAX_ATTRIBUTES:
        raise BadRequestData(f"entity: {len(doc)} members, at most {MAX_ATTRIBUTES} are taken")
    found = Contribution(head)
    total = 0
    for name, value in doc.items():
        if name in ENTITY_MEMBERS:
            continue
        found.attributes.add(name)
        total += len(instances(value))
        if total > MAX_INSTANCES:
            raise BadRequestData(f"entity: more than {MAX_INSTANCES} instances; send them in several requests")
        _take(found, name, value, deleted.get(name, {}), received, event, label)
    return found


def _take(
    found: Contribution,
    name: str,
    value: Instance | list[Instance],
    deleted: Mapping[int, str],
    received: str,
    event: str,
    label: Callable[[str], str],
) -> None:
    entity: str = found.state["id"]
    newest: dict[str, tuple[str, Instance]] = {}
    rows: dict[tuple[str, str], HistoryRow] = {}
    for at, one in enumerate(instances(value)):
        check_attribute(name, one, nulls="update", label=label)
        dataset_id = dataset_of(one)
        if is_null(one):
            gone = times.parse(deleted.get(at, one.get("observedAt", received)), f"{label(name)}[{at}].deletedAt")
            observed = times.canonical(one.get("observedAt")) or gone
            body = {**one, "deletedAt": times.shown(gone)}
            rows[dataset_id, observed] = HistoryRow(
                entity, name, dataset_id, observed, received, event, segments.segment(body), "deleted"
            )
            continue
        observed = times.canonical(one.get("observedAt")) or received
        rows[dataset_id, observed] = HistoryRow(
            entity, name, dataset_id, observed, received, event, segments.segment(one)
        )
        if dataset_id not in newest or newest[dataset_id][0] <= observed:
            newest[dataset_id] = (observed, one)
    found.begins = min([*(observed for _, observed in rows), *([found.begins] if found.begins else [])])
    for dataset_id, (observed, _) in newest.items():
        if rows[dataset_id, observed].kind == "value":
            del rows[dataset_id, observed]
    found.history += rows.values()
    if newest:
        several = [one for _, one in newest.values()]
        found.state[name] = several[0] if len(several) == 1 and "datasetId" not in several[0] else several


def scope_instances(value: Any, received: str, entity: str, event: str) -> tuple[list[HistoryRow], list[str], str]:
    """Read the evolution of a scope (4.5.6): Properties with times only.

    Return the newest scope, since when it holds, and the rows of the others before it.
    """
    found: dict[str, list[str]] = {}
    for at, one in enumerate(value if isinstance(value, list) else [value]):
        path = f"scope[{at}]"
        if not isinstance(one, dict) or one.get("type", "Property") != "Property" or "value" not in one:
            raise BadRequestData(f"{path}: a Property with value and observedAt is needed (4.5.6)")
        if not one.keys() <= _SCOPE_MEMBERS:
            raise BadRequestData(f"{path}: only the times of a scope may stand beside its value (4.5.6)")
        given = one["value"]
        several = given if isinstance(given, list) else [given]
        scopes = [one if not isinstance(one, str) or one.startswith("/") else "/" + one for one in several]
        check_doc({"id": entity, "type": ["urn:x"], "scope": scopes})
        observed = times.parse(one["observedAt"], f"{path}.observedAt") if "observedAt" in one else received
        found[observed] = scopes
    if not found:
        raise BadRequestData("scope: at least one instance is needed (4.5.6)")
    newest = max(found)
    rows = [
        HistoryRow(entity, SCOPE, "", observed, received, event, segments.scope_segment(scopes, observed))
        for observed, scopes in found.items()
        if observed != newest
    ]
    return rows, found[newest], newest
