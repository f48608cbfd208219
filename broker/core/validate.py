"""General checks of entities and fragments (CIM 009 V1.9.1, 5.5.4, 5.2.4 to 5.2.7, 5.2.32 to 5.2.38), concise input.

`infer` turns one concise attribute into normalized form (4.5.2.3, 4.5.3.3); it looks at core members only, so it works
before names are expanded. `check_doc` checks an entity in internal form, whole: the first fault raises BadRequestData
whose detail starts with the member's path, then a colon. Real JSON null is refused everywhere (JSON-LD would drop it
silently); what may be removed by the NGSI-LD Null depends on the operation, see `Nulls`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from typing import Any, Final, Literal, TypeAlias

from broker.core import geometry, times
from broker.core.entity import (
    ENTITY_MEMBERS,
    GEO_NAMES,
    INSTANCE_MEMBERS,
    KIND_OF_MEMBER,
    KINDS,
    OUTPUT_MEMBERS,
    PROOF,
    Instance,
    Kind,
    primary,
)
from broker.core.errors import BadRequestData
from broker.core.ids import NULL, is_uri, parse_entity_id, parse_uri
from broker.core.plain import is_plain, plain_kind

__all__ = [
    "MAX_ATTRIBUTES",
    "MAX_DEPTH",
    "Nulls",
    "check_attribute",
    "check_doc",
    "check_members",
    "infer",
    "is_null",
]

Nulls: TypeAlias = Literal["none", "update", "merge"]
"""Where `urn:ngsi-ld:null` may stand: nowhere; for a whole attribute instance (5.5.8); inside a value too (5.5.12)."""

MAX_DEPTH: Final = 64
MAX_ATTRIBUTES: Final = 2_000

_VALUE_MEMBERS: Final = frozenset(kind.member for kind in KINDS.values())
_UNITLESS: Final = frozenset({"Relationship", "ListRelationship", "LanguageProperty", "VocabProperty", "JsonProperty"})
_SEALED: Final = frozenset({"entityIdSealed", "entityTypeSealed"})
_SCOPE: Final = re.compile(r"(/[^\W\d_]\w*)+")


def infer(raw: Any, path: str) -> Instance | list[Instance]:
    """Give one attribute's value in normalized form, sub-attributes untouched. Dictionaries may be the input's own."""
    if isinstance(raw, dict):
        return _infer_one(raw, path)
    if isinstance(raw, list) and raw and all(isinstance(one, dict) and _is_instance(one) for one in raw):
        return [_infer_one(one, path) for one in raw]
    if raw is None:
        raise BadRequestData(f"{path}: null cannot be a value; to remove, use {NULL} where the operation allows it")
    return {"type": "Property", "value": raw}


def _is_instance(raw: dict[str, Any]) -> bool:
    kind = raw.get("type", raw.get("@type"))
    if kind is None:
        return not _VALUE_MEMBERS.isdisjoint(raw)
    return isinstance(kind, str) and kind in KINDS


def _infer_one(raw: dict[str, Any], path: str) -> Instance:
    kind = raw.get("type", raw.get("@type"))
    if kind is not None:
        if isinstance(kind, str) and kind in KINDS:
            return raw
        if geometry.looks_like(raw):
            return {"type": "GeoProperty", "value": raw}
        if "@value" in raw:
            return {"type": "Property", "value": raw}
        raise BadRequestData(f"{path}.type: {kind!r:.60} is no attribute type; these are: {', '.join(KINDS)}")
    for member, found in KIND_OF_MEMBER.items():
        if member in raw:
            return {"type": found.name, **raw}
    if "value" in raw:
        return {"type": "GeoProperty" if geometry.looks_like(raw["value"]) else "Property", **raw}
    return {"type": "Property", "value": raw}


def is_null(instance: Instance) -> bool:
    """Say whether the instance is an NGSI-LD Null: the marker that removes it (4.5.0, 5.5.8)."""
    found = primary(instance)
    return bool(found == NULL or found == [NULL] or found == {"@none": NULL})


def check_doc(
    doc: Any,
    *,
    need_type: bool = True,
    nulls: Nulls = "none",
    label: Callable[[str], str] = str,
    checked: Container[str] = ENTITY_MEMBERS,
) -> None:
    """Check an entity in internal form. `label` shows an IRI as the sender wrote it; `checked` names what is good."""
    if not isinstance(doc, dict):
        raise BadRequestData("entity: a JSON object is needed")
    if "id" not in doc:
        raise BadRequestData("id: missing; an entity needs one")
    parse_entity_id(doc["id"])
    if need_type or "type" in doc:
        _types(doc.get("type"))
    if "scope" in doc and (nulls == "none" or doc["scope"] != [NULL]):
        _scopes(doc["scope"])
    if "expiresAt" in doc and (nulls == "none" or doc["expiresAt"] != NULL):
        times.parse(doc["expiresAt"], "expiresAt")
    if len(doc) > MAX_ATTRIBUTES:
        raise BadRequestData(f"entity: {len(doc)} members, at most {MAX_ATTRIBUTES} are taken")
    for name, value in doc.items():
        if name in checked or name in ENTITY_MEMBERS:
            continue
        if type(value) is dict:
            kind = plain_kind(name)
            if kind is not None and is_plain(value) and (not kind or value["type"] == kind):
                continue
        check_attribute(name, value, nulls=nulls, label=label)


def check_attribute(
    name: str, value: Any, *, nulls: Nulls = "none", label: Callable[[str], str] = str, path: str = ""
) -> None:
    """Check one attribute in internal form: its name, each instance, and that no two instances share a datasetId."""
    path = f"{path}.{label(name)}" if path else label(name)
    if name in INSTANCE_MEMBERS or not is_uri(name):
        raise BadRequestData(f"{path}: not a name that an attribute can have")
    if isinstance(value, dict):
        _instance(value, name, path, nulls, label)
        return
    if not isinstance(value, list) or not value:
        raise BadRequestData(f"{path}: an attribute, or a non-empty array of its instances, is needed")
    seen: set[str] = set()
    for at, one in enumerate(value):
        if not isinstance(one, dict):
            raise BadRequestData(f"{path}[{at}]: an attribute instance is needed")
        _instance(one, name, f"{path}[{at}]", nulls, label)
        dataset = one.get("datasetId", "")
        if dataset in seen:
            raise BadRequestData(f"{path}[{at}].datasetId: {dataset or 'the default instance'} is there twice")
        seen.add(dataset)


def _instance(one: Instance, name: str, path: str, nulls: Nulls, label: Callable[[str], str]) -> None:
    found = one.get("type")
    kind = KINDS.get(found) if isinstance(found, str) else None
    if kind is None:
        raise BadRequestData(f"{path}.type: {found!r:.60} is no attribute type; these are: {', '.join(KINDS)}")
    if kind.member not in one:
        raise BadRequestData(f"{path}.{kind.member}: missing; a {kind.name} needs it")
    _named(one, name, kind, path, nulls)
    for member, value in one.items():
        if member == "type":
            continue
        if member == kind.member:
            if nulls != "none" and is_null(one):
                continue
            _primary(kind, value, f"{path}.{member}", nulls)
        elif member in INSTANCE_MEMBERS:
            _member(kind, member, value, path)
        else:
            check_attribute(member, value, nulls=nulls, label=label, path=path)


def _named(one: Instance, name: str, kind: Kind, path: str, nulls: Nulls) -> None:
    """Check what the core says of some names (4.5.2.2, 4.7.1)."""
    if name in GEO_NAMES and kind.name != "GeoProperty" and not (nulls != "none" and is_null(one)):
        raise BadRequestData(f"{path}.type: the core defines this attribute as a GeoProperty (4.7.1)")
    if name == PROOF:
        if kind.name != "Property" or not (isinstance(one["value"], dict) or (nulls != "none" and is_null(one))):
            raise BadRequestData(f"{path}.value: a Property whose value is a proof, an object, is needed (4.5.2.2)")
    elif not _SEALED.isdisjoint(one):
        raise BadRequestData(f"{path}: entityIdSealed and entityTypeSealed are for ngsildproof only (4.5.2.2)")


def check_members(kind: str | None, members: Instance, path: str) -> None:
    """Check core members of a fragment of an instance as far as that can be done without the others.

    `kind`: its attribute type, None if the fragment does not say.
    """
    for member, value in members.items():
        if member in _VALUE_MEMBERS:
            if kind is not None and member == KINDS[kind].member and not isinstance(value, str | dict | list):
                _primary(KINDS[kind], value, f"{path}.{member}", "merge")
            elif value is None:
                raise BadRequestData(f"{path}.{member}: null cannot be a value")
        elif member not in ("objectType", "valueType", "lang") or kind is not None:
            _member(KINDS[kind or "Property"], member, value, path)


def _member(kind: Kind, member: str, value: Any, path: str) -> None:
    """Check a member that is not the kind's own value."""
    where = f"{path}.{member}"
    if member in ("observedAt", "expiresAt"):
        times.parse(value, where)
    elif member == "datasetId":
        if value == NULL:
            raise BadRequestData(f"{where}: a datasetId cannot be removed (5.5.8)")
        parse_uri(value, where)
    elif member == "unitCode":
        if kind.name in _UNITLESS:
            raise BadRequestData(f"{where}: a {kind.name} has no unit")
        _text(value, where)
    elif member in ("valueType", "lang", "entityIdSealed", "entityTypeSealed"):
        _text(value, where)
        if member == "valueType" and kind.name == "LanguageProperty" and not value.endswith("langString"):
            raise BadRequestData(f"{where}: {value!r:.80}; that of a LanguageProperty is langString (5.2.32)")
    elif member == "objectType":
        if kind.name not in ("Relationship", "ListRelationship"):
            raise BadRequestData(f"{where}: a {kind.name} has no object")
        for one in value if isinstance(value, list) else [value]:
            _text(one, where)
    elif member in OUTPUT_MEMBERS:
        raise BadRequestData(f"{where}: only answers carry it")
    else:
        raise BadRequestData(f"{where}: a {kind.name} has {kind.member} instead")


def _primary(kind: Kind, value: Any, where: str, nulls: Nulls) -> None:
    """Check what an instance says, by its kind."""
    if value is None:
        raise BadRequestData(f"{where}: null cannot be a value; to remove, use {NULL} where the operation allows it")
    if isinstance(value, str) and value == NULL:
        raise BadRequestData(f"{where}: {NULL} is for updates only (5.5.4)")
    _PRIMARY[kind.name](value, where, nulls)


def _property(value: Any, where: str, nulls: Nulls) -> None:
    if isinstance(value, dict | list):
        _compound(value, where, nulls, 0)


def _geo(value: Any, where: str, nulls: Nulls) -> None:
    found = geometry.fault(value)
    if found is not None:
        raise BadRequestData(f"{where}: {found}")


def _object(value: Any, where: str, nulls: Nulls) -> None:
    if isinstance(value, list):
        if not value:
            raise BadRequestData(f"{where}: an empty array relates to nothing")
        for at, one in enumerate(value):
            parse_uri(one, f"{where}[{at}]")
    else:
        parse_uri(value, where)


def _language(value: Any, where: str, nulls: Nulls) -> None:
    if not isinstance(value, dict) or not value:
        raise BadRequestData(f"{where}: an object of language tag and text is needed")
    for tag, text in value.items():
        if not tag or tag.isspace():
            raise BadRequestData(f"{where}: a language tag is empty")
        if nulls == "none" and text == NULL:
            raise BadRequestData(f"{where}.{tag}: {NULL} is for updates only (5.5.4)")
        texts = text if isinstance(text, list) else [text]
        if not all(isinstance(one, str) for one in texts):
            raise BadRequestData(f"{where}.{tag}: a text or an array of texts is needed")


def _vocab(value: Any, where: str, nulls: Nulls) -> None:
    if isinstance(value, list) and value:
        for at, one in enumerate(value):
            _text(one, f"{where}[{at}]")
    else:
        _text(value, where)


def _json(value: Any, where: str, nulls: Nulls) -> None:
    fits = isinstance(value, dict) or (isinstance(value, list) and all(isinstance(one, dict) for one in value))
    if not fits:
        raise BadRequestData(f"{where}: a JSON object or an array of them is needed")
    _depth(value, where, 0)


def _value_list(value: Any, where: str, nulls: Nulls) -> None:
    if not isinstance(value, list):
        raise BadRequestData(f"{where}: an array is needed")
    _compound(value, where, nulls, 0)


def _object_list(value: Any, where: str, nulls: Nulls) -> None:
    if not isinstance(value, list):
        raise BadRequestData(f"{where}: an array is needed")
    for at, one in enumerate(value):
        if not isinstance(one, dict) or one.keys() != {"object"}:
            raise BadRequestData(f'{where}[{at}]: {{"object": URI}} is needed')
        parse_uri(one["object"], f"{where}[{at}].object")


_PRIMARY: Final[dict[str, Callable[[Any, str, Nulls], None]]] = {
    "Property": _property,
    "GeoProperty": _geo,
    "Relationship": _object,
    "LanguageProperty": _language,
    "VocabProperty": _vocab,
    "JsonProperty": _json,
    "ListProperty": _value_list,
    "ListRelationship": _object_list,
}


def _compound(value: Any, where: str, nulls: Nulls, depth: int) -> None:
    """Check a compound value: no null, no NGSI-LD Null as a member's value unless merging, not too deep."""
    if depth > MAX_DEPTH:
        raise BadRequestData(f"{where}: nested deeper than {MAX_DEPTH}")
    if isinstance(value, list):
        for at, one in enumerate(value):
            if isinstance(one, dict | list):
                _compound(one, f"{where}[{at}]", nulls, depth + 1)
            elif one is None:
                raise BadRequestData(f"{where}[{at}]: null cannot be a value; a JsonProperty takes it")
        return
    if value.get("@type") == "@json":
        return
    for key, one in value.items():
        if one is None:
            raise BadRequestData(f"{where}.{key}: null cannot be a value; a JsonProperty takes it")
        if isinstance(one, dict | list):
            _compound(one, f"{where}.{key}", nulls, depth + 1)
        elif one == NULL and nulls != "merge":
            raise BadRequestData(f"{where}.{key}: {NULL} inside a value is for merges only (5.5.4)")


def _depth(value: Any, where: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BadRequestData(f"{where}: nested deeper than {MAX_DEPTH}")
    for one in value.values() if isinstance(value, dict) else value:
        if isinstance(one, dict | list):
            _depth(one, where, depth + 1)


def _types(value: Any) -> None:
    if not isinstance(value, list) or not value:
        raise BadRequestData("type: missing; an entity needs one type or more")
    for one in value:
        if not is_uri(one) or one == NULL:
            raise BadRequestData(f"type: {one!r:.80} is no entity type (a term or an absolute IRI)")


def _scopes(value: Any) -> None:
    for one in value if isinstance(value, list) and value else [None]:
        if not isinstance(one, str) or _SCOPE.fullmatch(one) is None:
            raise BadRequestData(
                f"scope: {one!r:.80} is no scope such as /Madrid/Centro: levels of letters, digits and _, "
                "each starting with a letter (4.18)"
            )


def _text(value: Any, where: str) -> None:
    if not isinstance(value, str) or not value:
        raise BadRequestData(f"{where}: a non-empty string is needed")
