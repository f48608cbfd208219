"""Minimisation: what of a decoded record may leave the process, before anything is written or logged.

`keep` is an allow list of paths (`vehicle/id`); a path that ends at an object keeps nothing of it unless it ends in
`/*`, so that a member added by the sender later is never taken along. A GeoJSON geometry counts as one value, and a
path goes through lists; `~1` is a slash inside a name. Personal fields that are kept are coarsened, or replaced by
HMAC-SHA256 under the domain's key.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

from connectors.errors import FeedError, Rejected
from connectors.feed import Coarsen, Feed
from connectors.geojson import is_geometry

__all__ = ["Minimiser", "compile_minimiser", "pseudonym", "unescaped"]

Record = dict[str, Any]
Minimiser = Callable[[Mapping[str, Any]], Record]
Change = Callable[[Any], Any]

_CUT = {"year": 4, "month": 7, "day": 10, "hour": 13}


def pseudonym(key: bytes, value: object) -> str:
    """Name a person (or household) without saying who: HMAC-SHA256 of the value's text under the domain's key."""
    return hmac.new(key, str(value).encode(), hashlib.sha256).hexdigest()


def compile_minimiser(feed: Feed, key: bytes | None) -> Minimiser:
    """Build the feed's minimiser. FeedError if it needs the domain's key and there is none."""
    rules = feed.minimise
    if rules.hmac and key is None:
        raise FeedError(
            f"{feed.feed}: minimise.hmac needs the key of domain {feed.domain!r}; "
            f"set DATAPOLIS_DOMAIN_KEYS or put it in keys/{feed.domain}.key of the state folder"
        )
    changes: dict[str, Change] = {path: _coarsener(path, way) for path, way in rules.coarsen.items()}
    for path in rules.hmac:
        changes[path] = _pseudonymiser(key or b"")
    tree: dict[str, Any] = {}
    for path in rules.keep:
        steps = [unescaped(step) for step in path.split("/")]
        _plant(tree, steps, changes.get(path), feed.feed, path)
    return lambda record: _keep(tree, record)


def unescaped(step: str) -> str:
    """Read one step of a path: `~1` is a slash inside a name, `~0` a tilde (as in JSON Pointer)."""
    return step.replace("~1", "/").replace("~0", "~") if "~" in step else step


def _plant(tree: dict[str, Any], steps: list[str], change: Change | None, feed: str, path: str) -> None:
    for step in steps[:-1]:
        tree = tree.setdefault(step, {})
        if not isinstance(tree, dict):
            raise FeedError(f"{feed}: minimise.keep: {path!r} goes below a field that is kept by itself")
    if isinstance(tree.get(steps[-1]), dict):
        raise FeedError(f"{feed}: minimise.keep: {path!r} is kept by itself and by members of it; choose one")
    tree[steps[-1]] = change or _plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict) and is_geometry(value):
        return {"type": value["type"], "coordinates": value["coordinates"]}
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict | list) for item in value)):
        return None
    return value


def _keep(tree: Mapping[str, Any], record: Mapping[str, Any]) -> Record:
    kept: Record = {}
    for name, rule in tree.items():
        if name == "*":
            kept.update({inner: plain for inner, value in record.items() if (plain := _plain(value)) is not None})
            continue
        value = record.get(name)
        if value is None:
            continue
        if isinstance(rule, dict):
            below = _below(rule, value)
            if below:
                kept[name] = below
        else:
            found = rule(value)
            if found is not None:
                kept[name] = found
    return kept


def _below(tree: Mapping[str, Any], value: Any) -> Any:
    if isinstance(value, list):
        return [kept for item in value if isinstance(item, dict) and (kept := _keep(tree, item))]
    return _keep(tree, value) if isinstance(value, dict) else {}


def _pseudonymiser(key: bytes) -> Change:
    return lambda value: None if value == "" else pseudonym(key, value)


def _coarsener(path: str, way: Coarsen) -> Change:
    def cut(value: Any) -> Any:
        plain = _plain(value)
        if plain is None or plain == "":
            return None
        if isinstance(plain, dict):
            return _rounded(plain, way, path)
        if way.chars is not None:
            return str(plain)[: way.chars]
        if way.to is not None:
            return str(plain)[: _CUT[way.to]]
        try:
            number = round(float(plain), way.decimals)
        except (TypeError, ValueError) as error:
            raise Rejected("coarsen", path, "the value is no number, so it cannot be rounded", "minimise") from error
        return str(number) if isinstance(plain, str) else number

    return cut


def _rounded(geometry: dict[str, Any], way: Coarsen, path: str) -> dict[str, Any]:
    if way.decimals is None:
        raise Rejected("coarsen", path, "a geometry is coarsened by decimals (of a degree)", "minimise")

    def down(found: Any) -> Any:
        return [down(item) for item in found] if isinstance(found, list) else round(found, way.decimals)

    return {"type": geometry["type"], "coordinates": down(geometry["coordinates"])}
