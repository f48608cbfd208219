"""An admitted agreement back as ODRL: the form of decisions to the text, names in full, nothing lost.

Admitting what is written here gives the same form again; a text whose names are written in full, whose types are
listed and whose filters are printed as `broker.core` prints them comes back as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies.agreements.odrl import PROFILE, Status
from policies.agreements.terms import ODRL, TRUST

__all__ = ["ACTION_OF_KIND", "written"]

ACTION_OF_KIND = {
    "attribution": "attribute",
    "quota": "t:quota",
    "rate": "t:rate",
    "delete_after": "t:deleteAfter",
    "report_benefit": "t:reportBenefit",
}
_LEFT = {"purpose": "purpose", "role": "t:role", "dateTime": "dateTime"}


def written(body: Mapping[str, Any], status: Status) -> dict[str, Any]:
    """Write an agreement in the form of decisions as ODRL of our profile."""
    found: dict[str, Any] = {
        "@context": [ODRL, TRUST],
        "@type": "Offer" if status == "offered" else "Agreement",
        "uid": body["uid"],
        "profile": PROFILE,
        "version": body["version"],
        "status": status,
        "domain": body["domain"],
        "assigner": body["assigner"],
        "assignee": body["assignee"],
        "valid": dict(body["valid"]),
    }
    if body["title"]:
        found["title"] = dict(body["title"])
    if body["assessment"] is not None:
        found["assessment"] = body["assessment"]
    for member in ("permission", "prohibition"):
        if body[member]:
            found[member] = [_rule(rule) for rule in body[member]]
    return found


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"action": list(rule["action"]), "target": dict(rule["target"])}
    if rule["constraint"]:
        found["constraint"] = [{**item, "leftOperand": _LEFT[item["leftOperand"]]} for item in rule["constraint"]]
    if rule["duty"]:
        found["duty"] = [{"action": ACTION_OF_KIND[item["kind"]], "value": item["value"]} for item in rule["duty"]]
    return found
