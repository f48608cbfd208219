"""How a change is told: what was deleted, and what was there before (CIM 009 V1.9.1, 5.2.14.1 showChanges, 5.8.6).

Documents are in internal form and are not changed. Both states hold only what the subscriber sees, before and after.

SPEC 5.8.6: deleted attributes stand in what is told for those who asked for deletions, by a trigger or by showChanges;
of a deleted entity they are those that are watched, and all of them with showChanges.
"""

from __future__ import annotations

from typing import Any, Final

from broker.core.entity import ENTITY_MEMBERS, KINDS, Doc, Instance, dataset_of, instances
from broker.core.ids import NULL
from broker.core.subscription import Subscription

__all__ = ["told"]

_DELETIONS: Final = frozenset({"attributeDeleted", "entityUpdated"})


def told(subscription: Subscription, before: Doc | None, after: Doc | None) -> Doc:
    """Return the entity after a change, or what is told of one that is deleted."""
    was: Doc = {} if before is None else before
    if after is None:
        found: Doc = {name: was[name] for name in was if name in ("id", "type")}
        if subscription.show_changes:
            wanted = None
        elif "attributeDeleted" in subscription.triggers:
            wanted = subscription.watched
        else:
            return found
        gone = [name for name in was if name not in ENTITY_MEMBERS and (wanted is None or name in wanted)]
        return found | {name: _attribute(subscription, was[name], None) for name in gone}
    if before is None or not (subscription.show_changes or subscription.triggers & _DELETIONS):
        return after
    found = {}
    for name in dict.fromkeys([*after, *was]):
        if name in ENTITY_MEMBERS:
            if name in after:
                found[name] = after[name]
        else:
            found[name] = _attribute(subscription, was.get(name), after.get(name))
    return found


def _attribute(subscription: Subscription, was: Any, now: Any) -> Any:
    """Give an attribute's instances, those that were deleted too, with what they were where that is to be shown."""
    if was is None or was == now:
        return now
    old = {dataset_of(one): one for one in instances(was)}
    new = {dataset_of(one): one for one in instances(now)} if now is not None else {}
    if now is None and len(old) > 1 and not subscription.show_changes:
        first = old[min(old)]
        return _deleted({name: value for name, value in first.items() if name != "datasetId"})
    datasets = sorted(old.keys() | new.keys())
    found = [_instance(subscription, old.get(dataset), new.get(dataset)) for dataset in datasets]
    return found[0] if len(found) == 1 else found


def _instance(subscription: Subscription, was: Instance | None, now: Instance | None) -> Instance:
    if was is None:
        return now if now is not None else {}
    kind = KINDS[was["type"]]
    found = _deleted(was) if now is None else now
    if not subscription.show_changes or (now is not None and now.get(kind.member) == was[kind.member]):
        return found
    return found | {kind.previous: was[kind.member]}


def _deleted(was: Instance) -> Instance:
    kind = KINDS[was["type"]]
    null: Any = {"@none": NULL} if kind.name == "LanguageProperty" else NULL
    found: Instance = {"type": kind.name, kind.member: null}
    return found | {"datasetId": was["datasetId"]} if "datasetId" in was else found
