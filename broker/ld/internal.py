"""Documents as requests write them, to the broker's internal form and back (CIM 009 V1.9.1, 4.5, 5.5.7).

`to_internal` expands names and infers concise attributes in one walk; it checks names and shape as far as it has to,
and `broker.core.validate.check_doc` checks the result. Identifiers of entities, objects and datasets stay as written:
they are URIs and not terms. Values that carry no names (`json`, `languageMap`, geometries, proofs) are not touched.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from broker.core.entity import ENTITY_MEMBERS, INSTANCE_MEMBERS, PROOF, Doc, Instance
from broker.core.errors import BadRequestData
from broker.core.ids import NULL, is_uri
from broker.core.plain import is_plain, plain_kind
from broker.core.project import without_expiry
from broker.core.render import Form, SysAttrs, compact_instances, render
from broker.core.validate import MAX_DEPTH, Nulls, check_doc, infer
from broker.ld.active import Active

__all__ = [
    "ENTITY_LEVEL",
    "STAMPS",
    "accept",
    "accept_fragment",
    "attribute",
    "compact_segment",
    "expand_names",
    "member_of",
    "member_value",
    "to_external",
    "to_internal",
    "value",
    "with_id",
]

STAMPS: Final = frozenset({"createdAt", "modifiedAt", "deletedAt", "instanceId"})
"""System times and ids that answers carry; a request may send them back, to no effect."""
ENTITY_LEVEL: Final = ENTITY_MEMBERS | STAMPS
_SEALED: Final = frozenset({"entityIdSealed", "entityTypeSealed"})


def accept(body: Any, active: Active, *, need_type: bool = True, nulls: Nulls = "none") -> Doc:
    """Take an entity (or with `need_type` False a fragment that has an id) from a request: expand it and check it."""
    plain: set[str] = set()
    doc = _entity(body, active, plain)
    check_doc(doc, need_type=need_type, nulls=nulls, label=active.attr, checked=plain)
    return doc


def accept_fragment(body: Any, active: Active, entity_id: str, *, nulls: Nulls = "none") -> Doc:
    """Take an entity fragment for the entity of the request's path; its id and type may be left out (5.4)."""
    if not isinstance(body, dict):
        raise BadRequestData("entity: a JSON object is needed")
    return accept(with_id(body, entity_id), active, need_type=False, nulls=nulls)


def to_internal(body: Any, active: Active) -> Doc:
    """Expand an entity's names and give its attributes in normalized form; its `@context` is not read."""
    return _entity(body, active, set())


def _entity(body: Any, active: Active, plain: set[str]) -> Doc:
    """Expand an entity. `plain` collects the attributes that need no check; they are the input's own dictionaries."""
    if not isinstance(body, dict):
        raise BadRequestData("entity: a JSON object is needed")
    doc: Doc = {}
    for key, value in body.items():
        if key == "@context":
            continue
        if type(value) is dict:
            attr = active.attribute(key)
            kind = plain_kind(attr) if attr is not None and attr not in doc and active.core_names_stand else None
            if attr is not None and kind is not None and is_plain(value) and (not kind or value["type"] == kind):
                doc[attr] = value if next(iter(value)) == "type" else {"type": value["type"], **value}
                plain.add(attr)
                continue
        member = active.member(key)
        if member == "type":
            name, inner = "type", expand_names(value, active, "type")
            inner = [inner] if isinstance(inner, str) else inner
        elif member == "id" or member == "expiresAt":
            name, inner = member, _dotted(value) if member == "expiresAt" else value
        elif member == "scope":
            name, inner = "scope", _scopes(value)
        elif member in STAMPS and member != "instanceId":
            continue
        elif member in INSTANCE_MEMBERS:
            raise BadRequestData(f"{key}: the core @context defines it as no attribute, so it cannot name one (4.5.1)")
        else:
            name, inner = member, attribute(value, active, key, member)
        if name in doc:
            raise BadRequestData(f"{key}: names the same as another member")
        doc[name] = inner
    return doc


def to_external(
    doc: Doc, active: Active, form: Form = "normalized", sys_attrs: SysAttrs | None = None
) -> dict[str, Any]:
    """Render an entity with the names of a context; the answer carries no `@context`."""
    return render(doc, active, form, sys_attrs)


def compact_segment(text: str, active: Active) -> str:
    """Compact the names inside a segment, without system attributes; one that has neither comes back as it is."""
    if text[0] != " ":
        return text
    found = orjson.loads(text)
    return orjson.dumps(compact_instances(without_expiry(found) if '"expiresAt"' in text else found, active)).decode()


def expand_names(value: Any, active: Active, path: str, *, words: bool = False) -> Any:
    """Expand a name or an array of names that stand as values; `words`: of a vocabulary, which may hold any string."""
    expand = _expand_word if words else _expand_name
    if isinstance(value, str):
        return value if value == NULL else expand(value, active, path)
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return list(dict.fromkeys(expand(one, active, path) for one in value))
    raise BadRequestData(f"{path}: a name or a non-empty array of names is needed")


def _expand_name(name: str, active: Active, path: str) -> str:
    try:
        return active.expand_term(name)
    except BadRequestData as error:
        raise BadRequestData(f"{path}: {error.detail}") from error


def _expand_word(word: str, active: Active, path: str) -> str:
    """Expand a string against the vocabulary, as JSON-LD coerces it (`non-commercial` in the examples of C.2.2)."""
    found = active.expand_iri(word) if word else None
    if found is None or not is_uri(found):
        raise BadRequestData(f"{path}: {word!r:.80}: the @context gives it no IRI")
    return found


def with_id(body: dict[str, Any], entity_id: str) -> dict[str, Any]:
    """Give a fragment the id of its target; one that it has must be the same."""
    for key in ("id", "@id"):
        if key in body:
            if body[key] != entity_id:
                raise BadRequestData(f"{key}: {body[key]!r:.80} is not the entity of the request's path, {entity_id}")
            return body
    return {"id": entity_id, **body}


def attribute(raw: Any, active: Active, path: str, name: str, depth: int = 0) -> Instance | list[Instance]:
    """Expand one attribute, and give it in normalized form. `name` is its IRI, `path` what faults are told with."""
    if depth > MAX_DEPTH:
        raise BadRequestData(f"{path}: nested deeper than {MAX_DEPTH}")
    found = infer(raw, path)
    if isinstance(found, list):
        several = [_instance(one, active, f"{path}[{at}]", name, depth) for at, one in enumerate(found)]
        return several[0] if len(several) == 1 else several
    return _instance(found, active, path, name, depth)


def _instance(raw: Instance, active: Active, path: str, name: str, depth: int) -> Instance:
    kind = raw.get("type", raw.get("@type"))
    if "@context" in raw:
        raise BadRequestData(f"{path}.@context: an attribute cannot carry a @context (5.5.7)")
    found: Instance = {"type": kind}
    for key, value in raw.items():
        member = member_of(key, active, name)
        if member == "type" or member in STAMPS:
            continue
        if member not in INSTANCE_MEMBERS:
            if member == "id":
                raise BadRequestData(f"{path}.{key}: an attribute has no identifier; it may have a datasetId")
            inner: Any = attribute(value, active, f"{path}.{key}", member, depth + 1)
        elif member == "datasetId" and value == "@none":
            continue
        else:
            inner = member_value(member, value, kind, active, f"{path}.{key}", name)
        if member in found:
            raise BadRequestData(f"{path}.{key}: names the same as another member")
        found[member] = inner
    return found


def member_of(key: str, active: Active, name: str) -> str:
    """Give a key inside an instance of the attribute `name`: a core member's short name, or an IRI."""
    if key not in _SEALED:
        return active.member(key)
    if name != PROOF:
        raise BadRequestData(f"{active.attr(name)}.{key}: is for ngsildproof only (4.5.2.2)")
    return key


def member_value(member: str, given: Any, kind: Any, active: Active, path: str, name: str) -> Any:
    """Expand the value of a core member of an instance."""
    if member == "value" or member == "valueList":
        if kind == "GeoProperty" and isinstance(given, str):
            return _geometry(given)
        if kind == "GeoProperty" or name == PROOF or not isinstance(given, dict | list):
            return given
        return value(given, active, path)
    if member in ("vocab", "objectType", "valueType", "entityTypeSealed"):
        return expand_names(given, active, path, words=member == "vocab")
    if member == "objectList" and isinstance(given, list):
        return [{"object": one} if isinstance(one, str) and one != NULL else one for one in given]
    if member in ("observedAt", "expiresAt"):
        return _dotted(given)
    return given


def _geometry(text: str) -> Any:
    """Read a geometry that is written as a string (4.7.2); what is none stays as it is, which is a fault."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return found if isinstance(found, dict) else text


def value(given: dict[str, Any] | list[Any], active: Active, path: str) -> Any:
    """Expand the keys inside a compound value."""
    return _value(given, active, path, 0)


def _value(value: Any, active: Active, path: str, depth: int) -> Any:
    """Expand the keys inside a compound value; what they hold stays as written, but for types."""
    if depth > MAX_DEPTH:
        raise BadRequestData(f"{path}: nested deeper than {MAX_DEPTH}")
    if isinstance(value, list):
        return [_value(one, active, path, depth + 1) if isinstance(one, dict | list) else one for one in value]
    if value.get("@type") == "@json":
        return value
    if "@context" in value:
        raise BadRequestData(f"{path}.@context: a value cannot carry a @context (5.5.7)")
    found: dict[str, Any] = {}
    for key, one in value.items():
        iri = active.expand_iri(key)
        if iri == "@id":
            name = "id"
        elif iri == "@type":
            name = "@type" if "@value" in value else "type"
            if isinstance(one, str) or (isinstance(one, list) and all(isinstance(item, str) for item in one)):
                one = _types(one, active)
        else:
            name = key if iri is None or iri.startswith("@") else iri
        found[name] = _value(one, active, f"{path}.{key}", depth + 1) if isinstance(one, dict | list) else one
    return found


def _types(value: str | list[str], active: Active) -> Any:
    if isinstance(value, str):
        return active.expand_iri(value) or value
    return [active.expand_iri(one) or one for one in value]


def _scopes(value: Any) -> Any:
    """Give a scope its leading slash, and a list (4.18)."""
    several = value if isinstance(value, list) else [value]
    return [one if not isinstance(one, str) or one.startswith("/") or one == NULL else "/" + one for one in several]


def _dotted(value: Any) -> Any:
    """Write a time's fraction with a point (4.6.3 takes a comma too)."""
    return value.replace(",", ".") if isinstance(value, str) else value
