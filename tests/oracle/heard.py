"""A broker's answers in the oracle's terms: what is drawn by chance or of no concern here is left out."""

from __future__ import annotations

from typing import Any

from tests.fixtures.broker import Answer
from tests.oracle.law import MEMBERS
from tests.oracle.request import DENIED, MISSING, Request

__all__ = ["lists", "read"]


def read(request: Request, given: Answer) -> Any:
    """Read an answer."""
    if given.status in (401, 403):
        return DENIED
    if given.status == 404:
        return MISSING
    if given.status != 200:
        return ("status", given.status, given.body.decode())
    found = given.json
    if request.when is not None:
        several = [_evolution(one) for one in (found if isinstance(found, list) else [found])]
        return several[0] if request.door == "evolution" else (int(given.headers["NGSILD-Results-Count"]), several)
    if request.door == "retrieve":
        return _entity(request, found)
    if request.door in ("query", "post"):
        items = found["features"] if request.shape == "geojson" else found
        return int(given.headers["NGSILD-Results-Count"]), [_entity(request, one) for one in items]
    return _discovered(request, found)


def _entity(request: Request, found: dict[str, Any]) -> Any:
    if request.shape == "geojson":
        shown = {"id": found["id"], **found["properties"]} if "id" in found else found["properties"]
        return {"geometry": found["geometry"], "properties": lists(shown)}
    return dict.fromkeys(found) if request.shape == "simplified" else lists(found)


def lists(found: dict[str, Any]) -> dict[str, Any]:
    """Write types and scopes as lists also where there is one."""
    for name in ("type", "scope"):
        if isinstance(found.get(name), str):
            found[name] = [found[name]]
    for value in found.values():
        if isinstance(value, dict) and isinstance(value.get("entity"), dict):
            value["entity"] = lists(value["entity"])
    return {name: value for name, value in found.items() if name != "@context"}


def _discovered(request: Request, found: Any) -> Any:
    if request.door == "types":
        return sorted(found["typeList"])
    if request.door == "attributes":
        return sorted(found["attributeList"])
    if request.door == "types-details":
        return {one["typeName"]: sorted(one["attributeNames"]) for one in found}
    if request.door == "attributes-details":
        return {one["attributeName"]: sorted(one["typeNames"]) for one in found}
    if request.door == "type":
        details = sorted((one["attributeName"], sorted(one["attributeTypes"])) for one in found["attributeDetails"])
        return found["entityCount"], details
    return found["attributeCount"], [sorted(found["attributeTypes"]), sorted(found["typeNames"])]


def _evolution(found: dict[str, Any]) -> dict[str, Any]:
    """Leave out instances' names, which are drawn, and the scope, which has an evolution of its own."""
    shown: dict[str, Any] = {}
    for name, value in lists(found).items():
        if name in MEMBERS:
            shown |= {name: value} if name != "scope" else {}
        elif isinstance(value, list):
            shown[name] = [{key: one for key, one in instance.items() if key != "instanceId"} for instance in value]
        else:
            shown[name] = {method: _rounded(method, given) for method, given in value.items()}
    return shown


def _rounded(method: str, given: Any) -> Any:
    return [[round(one[0], 6), *one[1:]] for one in given] if method == "avg" else given
