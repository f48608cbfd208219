"""JSON-LD expansion as a dictionary walk (CIM 009 V1.9.1, 5.5.7; JSON-LD 1.1, 5.1).

`expand` gives what pyld gives, for the constructs that NGSI-LD documents are made of; a document with any other one
(scoped contexts, index maps, `@nest`, `@reverse`, `@graph`, embedded contexts, keys that collide, malformed keywords)
is handed to pyld whole. Property tests hold the two equal.
"""

from __future__ import annotations

from typing import Any

from broker.ld.active import DROP, HARD, ID, JSON, LANGUAGE, LIST, PLAIN, TYPE, VALUE, Active, Plan, Unsupported

__all__ = ["expand"]


def expand(document: Any, active: Active) -> list[Any]:
    """Expand a document (or an array of them) under an active context; an `@context` member at its top is not read.

    Raises pyld's JsonLdError where the document is no JSON-LD.
    """
    try:
        if isinstance(document, list):
            nodes = [_top(one, active) for one in document]
            return [node for node in nodes if node is not None]
        node = _top(document, active)
        return [] if node is None else [node]
    except Unsupported:
        return _by_pyld(document, active)


def _top(document: Any, active: Active) -> dict[str, Any] | None:
    if not isinstance(document, dict) or active.hard:
        raise Unsupported
    if "@context" in document:
        document = {key: value for key, value in document.items() if key != "@context"}
    node = _object(document, active)
    if node is None or not node or "@value" in node or (len(node) == 1 and "@id" in node):
        return None
    return node


def _by_pyld(document: Any, active: Active) -> list[Any]:
    """Let pyld expand it, under the context as it is."""
    documents = document if isinstance(document, list) else [document]
    bare = [
        {key: value for key, value in one.items() if key != "@context"} if isinstance(one, dict) else one
        for one in documents
    ]
    processor = active.processor
    found = processor._expand(active.context, None, bare if isinstance(document, list) else bare[0], active.options)
    if isinstance(found, dict) and len(found) == 1 and "@graph" in found:
        found = found["@graph"]
    return [] if found is None else processor.arrayify(found)


def _object(element: dict[str, Any], active: Active) -> dict[str, Any] | None:
    """Expand an object; None if it is a value object that holds nothing."""
    result: dict[str, Any] = {}
    plans = active.plans
    for key, value in element.items():
        plan = plans.get(key) or active.plan(key)
        do, iri, coerce, tagged = plan.do, plan.iri, plan.coerce, plan.tagged
        if iri in result:
            raise Unsupported
        if do == PLAIN:
            kind = type(value)
            if kind is dict:
                node = _object(value, active)
                if node is not None:
                    result[iri] = [node]
            elif kind is list:
                result[iri] = _items(value, plan, active)
            elif coerce is None and not tagged and kind in _SCALARS:
                result[iri] = [{"@value": value}]
            elif value is not None:
                result[iri] = [_scalar(value, plan, active)]
        elif do == TYPE:
            if "@value" in element:
                return _value_object(element, active)
            types = _types(value, active)
            if types:
                result["@type"] = types
        elif do == VALUE:
            return _value_object(element, active)
        elif do != DROP and (value is not None or do == JSON):
            _rare(do, value, plan, result, active)
        elif do in (HARD, ID):
            raise Unsupported
    return result


_SCALARS = frozenset({str, int, float, bool})


def _rare(do: int, value: Any, plan: Plan, result: dict[str, Any], active: Active) -> None:
    """Expand a member that is neither plain, nor a type, nor null."""
    if do == ID:
        if type(value) is not str:
            raise Unsupported
        result["@id"] = active.expand_id(value)
    elif do == LIST:
        result[plan.iri] = _list(value, plan, active)
    elif do == LANGUAGE:
        result[plan.iri] = _language_map(value, plan, active)
    elif do == JSON:
        result[plan.iri] = [{"@type": "@json", "@value": value}]
    else:
        raise Unsupported


def _scalar(value: Any, plan: Plan, active: Active) -> dict[str, Any]:
    """Expand a scalar by its key's coercion."""
    coerce = plan.coerce
    if type(value) is str:
        if coerce is None:
            if plan.language is None and plan.direction is None:
                return {"@value": value}
            found = {"@value": value}
            if plan.language is not None:
                found["@language"] = plan.language
            if plan.direction is not None:
                found["@direction"] = plan.direction
            return found
        if coerce == "@id":
            return {"@id": active.expand_id(value)}
        if coerce == "@vocab":
            return {"@id": active.expand_iri(value)}
        return {"@type": coerce, "@value": value}
    if type(value) not in (int, float, bool):
        raise Unsupported
    if coerce is None or coerce == "@id" or coerce == "@vocab":
        return {"@value": value}
    return {"@type": coerce, "@value": value}


def _items(values: list[Any], plan: Plan, active: Active) -> list[Any]:
    """Expand an array; arrays inside it dissolve in it."""
    result: list[Any] = []
    for value in values:
        kind = type(value)
        if kind is dict:
            node = _object(value, active)
            if node is not None:
                result.append(node)
        elif kind is list:
            result += _items(value, plan, active)
        elif value is not None:
            result.append(_scalar(value, plan, active))
    return result


def _list(value: Any, plan: Plan, active: Active) -> list[Any]:
    """Expand the value of a key whose container is a list; arrays inside it are lists of their own."""
    if type(value) is list:
        return [_list_object(value, plan, active)]
    if type(value) is dict:
        node = _object(value, active)
        return [{"@list": [] if node is None else [node]}] if node is not None else []
    return [{"@list": [_scalar(value, plan, active)]}]


def _list_object(values: list[Any], plan: Plan, active: Active) -> dict[str, Any]:
    result: list[Any] = []
    bare = plan.coerce is None and not plan.tagged
    for value in values:
        kind = type(value)
        if kind is list:
            result.append(_list_object(value, plan, active))
        elif kind is dict:
            node = _object(value, active)
            if node is not None:
                result.append(node)
        elif bare and kind in _SCALARS:
            result.append({"@value": value})
        elif value is not None:
            result.append(_scalar(value, plan, active))
    return {"@list": result}


def _language_map(value: Any, plan: Plan, active: Active) -> list[Any]:
    """Expand a language map; anything else under such a key is an ordinary value."""
    if type(value) is not dict:
        return _items(value, plan, active) if type(value) is list else [_scalar(value, plan, active)]
    result: list[Any] = []
    for tag in sorted(value):
        none = active.expand_iri(tag) == "@none"
        texts = value[tag]
        for text in texts if type(texts) is list else [texts]:
            if text is None:
                continue
            if type(text) is not str:
                raise Unsupported
            found = {"@value": text}
            if not none:
                found["@language"] = tag.lower()
            if plan.direction:
                found["@direction"] = plan.direction
            result.append(found)
    return result


def _types(value: Any, active: Active) -> list[Any]:
    if type(value) is str and not active.is_scoped_type(value):
        return [active.expand_iri(value)]
    names = value if type(value) is list else [value]
    result: list[Any] = []
    for name in names:
        if type(name) is not str or active.is_scoped_type(name):
            raise Unsupported
        result.append(active.expand_iri(name))
    return result


def _value_object(element: dict[str, Any], active: Active) -> dict[str, Any] | None:
    """Expand an object with `@value`: plain, typed, or JSON; with a language or worse it is left to pyld."""
    found: dict[str, Any] = {}
    for key, value in element.items():
        do = active.plan(key).do
        if do == VALUE and "@value" not in found:
            found["@value"] = value
        elif do == TYPE and type(value) is str and "@type" not in found:
            found["@type"] = active.expand_iri(value)
        elif do != DROP:
            raise Unsupported
    kind = found.get("@type")
    if "@value" not in found:
        raise Unsupported
    if kind == "@json":
        return found
    value = found["@value"]
    if value is None:
        return None
    if type(value) not in (str, int, float, bool):
        raise Unsupported
    if kind is not None and (":" not in kind or kind.startswith(("_:", "@"))):
        raise Unsupported
    return found
