"""Entities as bytes: masked, projected, names compacted, in the form that the request asked for.

Theory of operation. The plain answer (normalized, no system attributes) is put together from the row's segments: a
segment whose names need no compaction goes out as it is stored, so that mask, pick and omit choose texts instead of
parsing them. Every other form parses. Both give the same bytes where both apply, which tests hold on random entities.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from broker.core import segments, times
from broker.core.entity import Doc
from broker.core.kept import Kept
from broker.core.narrow import AttrMask
from broker.core.project import EVERYTHING, LanguageRange, Projection, language, project, without_expiry
from broker.core.render import Form, SysAttrs
from broker.core.versions import NATIVE, Version, conform
from broker.ld.active import Active
from broker.ld.internal import compact_segment, to_external
from broker.ops.entities import joined
from broker.ops.view import SEPARATOR, Joined, View, split
from ontologies import load

__all__ = ["External", "Show", "Writer", "array", "context_of", "entities", "entity", "external", "writer"]

_MAX_WRITERS = 256
_MAX_TYPES = 4096
_MAX_PLANS = 4096
_SEVERAL = 3
"""Rows of one shape that are written together."""
_NAMED = SEPARATOR + " "


@dataclass(frozen=True, slots=True)
class Show:
    """How a request wants entities shown."""

    projection: Projection = EVERYTHING
    form: Form = "normalized"
    sys_attrs: bool = False
    languages: tuple[LanguageRange, ...] = ()
    version: Version | None = None

    @property
    def plain(self) -> bool:
        """Say whether segments serve without parsing."""
        return (
            self.form == "normalized"
            and not self.sys_attrs
            and not self.languages
            and self.projection.datasets is None
            and self.current
        )

    @property
    def stored(self) -> bool:
        """Say whether entities are shown as they are stored, but for names and what is hidden."""
        return self.plain and self.projection is EVERYTHING

    @property
    def current(self) -> bool:
        """Say whether entities are shown as this version of the specification has them."""
        return self.version is None or self.version >= NATIVE


class _Plan(NamedTuple):
    """How rows of one shape are written: texts with gaps for id and segments; which segments, None for all of them."""

    mask: AttrMask
    parts: list[str]
    places: tuple[int, ...] | None


def _runs(rows: Sequence[Any], masks: Sequence[AttrMask]) -> Iterator[tuple[int, int]]:
    """Find where `_SEVERAL` neighbours or more differ in id, scope and segments alone: from where to before where."""
    start = 0
    types = names = mask = None
    for place, (row, sees) in enumerate(zip(rows, masks, strict=True)):
        if sees is not mask or row[3] != names or row[1] != types:
            if place - start >= _SEVERAL:
                yield start, place
            start, types, names, mask = place, row[1], row[3], sees
    if len(rows) - start >= _SEVERAL:
        yield start, len(rows)


class Writer:
    """Writes rows under one active @context."""

    def __init__(self, active: Active) -> None:
        self.active = active
        self._keys: dict[str, str] = {}
        self._types: dict[tuple[str, ...], str] = {}
        self._plans: dict[tuple[str, str, int], _Plan] = {}

    def joined(self, quoted: str, row: Joined) -> str:
        """Write a joined row as `text` writes it; `quoted` is its id as JSON.

        Rows of the same types, names and mask differ in their segments alone, so the rest is written once.
        """
        segs = row.segs
        if row.scopes or (" " in segs and (segs[0] == " " or _NAMED in segs)):
            view = row.view()
            return self.text(view.id, view.types, view.scopes, view.names, view.segs, view.mask)
        plan = self._planned(row.types, row.names, row.mask)
        parts = plan.parts.copy()
        parts[1] = quoted
        found = segs.split(SEPARATOR)
        parts[3::2] = found if plan.places is None else [found[place] for place in plan.places]
        return "".join(parts)

    def rows(self, rows: Sequence[Any], masks: Sequence[AttrMask], usual: str) -> list[str]:
        """Write rows as they are read, joined, as `joined` writes them; `usual`: the names of those that have None."""
        write, quote = self.joined, orjson.dumps
        return [write(quote(row[0]).decode(), joined(row, mask, usual)) for row, mask in zip(rows, masks, strict=True)]

    def page(self, rows: Sequence[Any], masks: Sequence[AttrMask], usual: str) -> list[str]:
        """Write what `rows` writes, but neighbours of one shape, as most are, as one text with commas between them."""
        texts: list[str] = []
        done = 0
        for start, end in _runs(rows, masks):
            names = rows[start][3]
            plan = self._planned(rows[start][1], usual if names is None else names, masks[start])
            text = self._alike(rows[start:end], plan)
            if text is not None:
                texts += (*self.rows(rows[done:start], masks[done:start], usual), text)
                done = end
        return texts + self.rows(rows[done:], masks[done:], usual)

    def _alike(self, rows: Sequence[Any], plan: _Plan) -> str | None:
        """Write rows of one shape; None where one of them needs more than its segments as they are.

        They are laid out in one list, where what fills the same gap of each row stands at equal distances.
        """
        segs = SEPARATOR.join([row[4] for row in rows])
        found = segs.split(SEPARATOR)
        if (" " in segs and min(found)[:1] == " ") or any(row[2] for row in rows):
            return None
        width, attributes = len(plan.parts), len(found) // len(rows)
        parts = plan.parts * len(rows)
        parts[width::width] = ["," + plan.parts[0]] * (len(rows) - 1)
        # No id that is written as JSON holds these three characters in a row: each of its own quotes is escaped.
        ids = orjson.dumps([row[0] for row in rows]).decode()[2:-2].split('","')
        parts[1::width] = [f'"{one}"' for one in ids]
        for gap, place in enumerate(range(attributes) if plan.places is None else plan.places):
            parts[3 + 2 * gap :: width] = found[place::attributes]
        return "".join(parts)

    def _planned(self, types: str, names: str, mask: AttrMask) -> _Plan:
        key = types, names, id(mask)
        plan = self._plans.get(key)
        if plan is None or plan.mask is not mask:
            plan = self._plan(types, names, mask)
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            self._plans[key] = plan
        return plan

    def _plan(self, types: str, joined_names: str, mask: AttrMask) -> _Plan:
        names = split(joined_names)
        places = tuple(place for place, name in enumerate(names) if mask.shows(name))
        parts = ['{"id":', "", "," + self._type(split(types))]
        for place in places:
            parts[-1] += "," + (self._keys.get(names[place]) or self._key(names[place]))
            parts += ["", ""]
        parts[-1] += "}"
        return _Plan(mask, parts, places if len(places) != len(names) or not names else None)

    def text(
        self,
        entity_id: str,
        types: Sequence[str],
        scopes: Sequence[str] | None,
        names: Sequence[str],
        segs: Sequence[str],
        mask: AttrMask,
        projection: Projection = EVERYTHING,
    ) -> str:
        """Write a row normalized, from its segments."""
        everything = projection is EVERYTHING
        parts: list[str] = []
        if everything or projection.keeps("id"):
            parts.append('"id":' + orjson.dumps(entity_id).decode())
        if everything or projection.keeps("type"):
            parts.append(self._type(types))
        if scopes and (everything or projection.keeps("scope")):
            parts.append('"scope":' + orjson.dumps(scopes[0] if len(scopes) == 1 else scopes).decode())
        keys = self._keys
        shows_all = mask.all
        for name, seg in zip(names, segs, strict=True):
            if not shows_all and not mask.shows(name):
                continue
            if not everything and not projection.keeps(name):
                continue
            key = keys.get(name) or self._key(name)
            parts.append(key + (seg if seg[0] != " " else compact_segment(seg, self.active)))
        return "{" + ",".join(parts) + "}"

    def _key(self, name: str) -> str:
        if len(self._keys) > 20_000:
            self._keys.clear()
        found = self._keys[name] = orjson.dumps(self.active.attr(name)).decode() + ":"
        return found

    def _type(self, types: Sequence[str]) -> str:
        key = tuple(types)
        found = self._types.get(key)
        if found is None:
            names = [self.active.name(one) for one in types]
            found = '"type":' + orjson.dumps(names[0] if len(names) == 1 else names).decode()
            if len(self._types) >= _MAX_TYPES:
                self._types.clear()
            self._types[key] = found
        return found


writer: Final = Kept(Writer, _MAX_WRITERS)
"""Gives the writer of a context; contexts are kept, so their `Active` objects are too."""


def entities(views: Sequence[View | Joined], active: Active, show: Show) -> list[str]:
    """Write the entities of a page without `@context`."""
    if not show.stored:
        return [entity(view, active, show) for view in views]
    write, quote = writer(active).joined, orjson.dumps
    return [
        write(quote(view.id).decode(), view) if isinstance(view, Joined) else entity(view, active, show)
        for view in views
    ]


def entity(view: View | Joined, active: Active, show: Show) -> str:
    """Write one entity without `@context`."""
    if isinstance(view, Joined):
        if show.stored:
            return writer(active).joined(orjson.dumps(view.id).decode(), view)
        view = view.view()
    if show.plain:
        return writer(active).text(view.id, view.types, view.scopes, view.names, view.segs, view.mask, show.projection)
    return parsed(view, active, show)


def parsed(view: View, active: Active, show: Show) -> str:
    """Write one entity by way of its document: every form, and the oracle of `Writer.text`."""
    return orjson.dumps(external(view, active, show, show.projection).members).decode()


class External(NamedTuple):
    """An entity as its document, projected, and as it goes out; `altered`: made to fit an earlier version."""

    doc: Doc
    members: dict[str, Any]
    altered: bool


def external(view: View, active: Active, show: Show, projection: Projection) -> External:
    """Render one entity under a projection of its own."""
    seen: list[tuple[str, str]] = [
        (name, seg) for name, seg in zip(view.names, view.segs, strict=True) if view.mask.shows(name)
    ]
    doc: Doc = segments.doc(view.id, view.types, view.scopes, [name for name, _ in seen], [seg for _, seg in seen])
    if not show.sys_attrs:
        doc |= {name: without_expiry(doc[name]) for name, seg in seen if '"expiresAt"' in seg}
    if show.sys_attrs and view.expires_at is not None:
        doc["expiresAt"] = times.shown(times.of(view.expires_at))
    doc = project(doc, projection)
    if show.languages:
        doc = language(doc, show.languages)
    stamps = None
    if show.sys_attrs and view.created_at is not None and view.modified_at is not None:
        stamps = SysAttrs(times.of(view.created_at), _modified(view, [name for name, _ in seen]), view.meta or {})
    fitted = doc if show.version is None or show.current else conform(doc, show.version, active.name)
    return External(fitted, to_external(fitted, active, show.form, stamps), fitted is not doc and fitted != doc)


def _modified(view: View, seen: Sequence[str]) -> str:
    """Give the entity's modifiedAt: under a mask the latest of what is visible, so that hidden changes do not show."""
    if view.mask.all and view.modified_at is not None:
        return times.of(view.modified_at)
    meta = view.meta or {}
    stamps = [entry[2] for name in seen for entry in meta.get(name, {}).values()]
    return max(stamps, default=times.of(view.created_at) if view.created_at is not None else "")


def context_of(active: Active) -> str:
    """Write the @context that answers carry: the user's as it was given, else the core one (5.2.3)."""
    return orjson.dumps(active.source if active.source is not None else load.CORE_CONTEXT).decode()


def with_context(text: str, active: Active) -> str:
    """Add the @context to an entity's text, for `application/ld+json`."""
    return f'{text[:-1]}{"," if len(text) > 2 else ""}"@context":{context_of(active)}}}'


def array(texts: Iterable[str]) -> bytes:
    """Write entities as an array."""
    return f"[{','.join(texts)}]".encode()
