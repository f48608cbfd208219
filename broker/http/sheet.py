"""An answer's entities as texts: plain, as GeoJSON, with linked entities inline or flat (CIM 009 V1.9.1, 4.5.23).

Inline, a linked entity stands in its Relationship: as `entity` or `entityList`, in the simplified form in place of its
id. On the way down from a linking entity no entity is joined twice, so that circles end. How many entities are written
inline is bounded, as one that many link to is written for each of them.

SPEC 4.5.23.3: a flat answer is always an array, also of a retrieved entity that leads nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from broker.core.entity import dataset_of, instances, targets
from broker.core.errors import TooManyResults
from broker.core.geojson import feature
from broker.core.project import Projection
from broker.http import features, render
from broker.http.render import External, Show
from broker.ld.active import Active
from broker.ops.joins import Join, Reached
from broker.ops.view import Joined, View

__all__ = ["Sheet", "write"]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Texts without `@context`; how many entities they show; whether one was made to fit an earlier version."""

    texts: list[str]
    entities: int
    altered: bool = False


def write(
    views: Sequence[View | Joined],
    active: Active,
    show: Show,
    shape: str | None,
    join: Join | None = None,
    linked: Mapping[str, Reached] | None = None,
) -> Sheet:
    """Write entities; `shape`: the IRI of the GeoProperty that is their geometry, None where GeoJSON is not asked for.

    TooManyResults if more entities would be written inline than may be joined.
    """
    if join is None and show.current:
        if shape is None:
            texts = render.entities(views, active, show)
        else:
            texts = [features.write(view, active, show, shape) for view in views]
        return Sheet(texts, len(texts))
    return _Writer(active, show, shape, join, linked or {}).sheet(views)


class _Writer:
    def __init__(
        self, active: Active, show: Show, shape: str | None, join: Join | None, linked: Mapping[str, Reached]
    ) -> None:
        self.active, self.show, self.shape, self.join, self.linked = active, show, shape, join, linked
        self.inline = join is not None and join.form == "inline"
        self.written = 0
        self.altered = False

    def sheet(self, views: Sequence[View | Joined]) -> Sheet:
        texts = [self.text(view, [self.show.projection]) for view in views]
        if self.join is not None and not self.inline:
            shown = {view.id for view in views}
            texts += [
                self.text(one.view, one.projections) for entity_id, one in self.linked.items() if entity_id not in shown
            ]
        return Sheet(texts, len(texts) + self.written, self.altered)

    def text(self, view: View | Joined, projections: Sequence[Projection]) -> str:
        """Write an entity of the answer's first level; under several projections what any of them keeps."""
        whole = view.view() if isinstance(view, Joined) else view
        found = self.external(whole, projections[0])
        for other in projections[1:]:
            found = {**self.external(whole, other), **found}
        if self.inline and self.join is not None:
            found = self.joined(whole, projections[0], self.join.level, frozenset({whole.id}))
        if self.shape is not None:
            found = feature(found, features.shape(whole, self.show, self.shape))
        return orjson.dumps(found).decode()

    def external(self, view: View, projection: Projection) -> dict[str, Any]:
        return self.render(view, projection).members

    def render(self, view: View, projection: Projection) -> External:
        found = render.external(view, self.active, self.show, projection)
        self.altered = self.altered or found.altered
        return found

    # ---- inline

    def joined(self, view: View, projection: Projection, level: int, met: frozenset[str]) -> dict[str, Any]:
        """Render an entity with those that it leads to, `level` links deep, less those already met."""
        doc, members, _ = self.render(view, projection)
        if level == 0:
            return members
        for name, value in doc.items():
            if not isinstance(value, dict | list) or ":" not in name:
                continue
            several = instances(value)
            if not any(one["type"] in ("Relationship", "ListRelationship") for one in several):
                continue
            inner = projection.of(name)
            found = {
                target: self.embedded(target, inner, level, met)
                for target in dict.fromkeys(targets(several))
                if self.leads(target, met)
            }
            if found:
                key = self.active.attr(name)
                members[key] = self.attribute(members[key], value, found)
        return members

    def leads(self, target: str, met: frozenset[str]) -> bool:
        return (
            target in self.linked and target not in met and self.join is not None and target not in self.join.contained
        )

    def embedded(self, target: str, projection: Projection, level: int, met: frozenset[str]) -> dict[str, Any]:
        self.written += 1
        if self.join is not None and self.written > self.join.most:
            raise TooManyResults(
                f"join: more than {self.join.most} linked entities would be written inline; lower limit or joinLevel, "
                "pick fewer Relationships, or use join=flat, which writes each once"
            )
        return self.joined(self.linked[target].view, projection, level - 1, met | {target})

    def attribute(self, shown: Any, value: Any, found: Mapping[str, dict[str, Any]]) -> Any:
        """Put linked entities into an attribute as it is shown."""
        if self.show.form == "simplified":
            if isinstance(value, dict):
                return _replaced(shown, found)
            parts = {dataset_of(one) or "@none" for one in value if one["type"] in ("Relationship", "ListRelationship")}
            return {
                "dataset": {
                    name: _replaced(one, found) if name in parts else one for name, one in shown["dataset"].items()
                }
            }
        if isinstance(value, dict):
            return _with_entity(shown, value, found)
        return [_with_entity(one, given, found) for one, given in zip(shown, value, strict=True)]


def _replaced(shown: Any, found: Mapping[str, dict[str, Any]]) -> Any:
    if isinstance(shown, list):
        return [found.get(one, one) for one in shown]
    return found.get(shown, shown)


def _with_entity(shown: dict[str, Any], given: dict[str, Any], found: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    reached = [found[target] for target in targets(given) if target in found]
    if not reached or given["type"] not in ("Relationship", "ListRelationship"):
        return shown
    if given["type"] == "ListRelationship":
        return {**shown, "entityList": reached}
    return {**shown, "entity": reached[0] if isinstance(given.get("object"), str) else reached}
