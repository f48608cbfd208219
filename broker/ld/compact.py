"""JSON-LD compaction as a dictionary walk (CIM 009 V1.9.1, 5.5.7; JSON-LD 1.1, 6.1).

`compact` gives what pyld gives for expanded documents of the constructs that NGSI-LD is made of, and hands any other
one to pyld whole. The term for a property is chosen by JSON-LD's own selection once per (IRI, kind of value): the kind
tells apart whatever that selection does (type, language, node, node that has a term, list and what it is a list of).
"""

from __future__ import annotations

from typing import Any

from broker.ld.active import Active, Term, Unsupported

__all__ = ["compact"]


def compact(expanded: Any, active: Active) -> dict[str, Any]:
    """Compact an expanded document; the answer carries no `@context`. Several nodes come under `@graph`."""
    nodes = expanded if isinstance(expanded, list) else [expanded]
    try:
        if active.hard or active.default_language is not None:
            raise Unsupported
        found = [_node(one, active) for one in nodes]
    except Unsupported:
        found = [active.processor._compact(active.context, None, one, active.options) for one in nodes]
    if len(found) == 1 and isinstance(found[0], dict):
        return found[0]
    return {active.compact_keyword("@graph"): found} if found else {}


def _node(element: Any, active: Active) -> dict[str, Any]:
    """Compact a node object. The common cases stand first: one plain value, or one node without an identifier."""
    if type(element) is not dict:
        raise Unsupported
    result: dict[str, Any] = {}
    plain, nodes = active.plain, active.nodes
    for iri, values in element.items():
        if iri[0] == "@":
            _keyword(iri, values, result, active)
            continue
        if type(values) is not list:
            raise Unsupported
        if len(values) == 1 and type(values[0]) is dict:
            item = values[0]
            if "@value" in item:
                if len(item) == 1:
                    term = plain.get(iri) or active.term(iri, "v", item)
                    if term.simple and term.name not in result:
                        result[term.name] = item["@value"]
                        continue
            elif "@type" in item and "@id" not in item:
                term = nodes.get(iri) or active.term(iri, "o", item)
                if term.simple and term.name not in result:
                    result[term.name] = _node(item, active)
                    continue
        _values(iri, values, result, active)
    return result


def _values(iri: str, values: list[Any], result: dict[str, Any], active: Active) -> None:
    """Compact the values of a property, each under the term that fits it."""
    if not values:
        term = active.term_of(iri, "e", values)
        if term.hard or term.name in result:
            raise Unsupported
        result[term.name] = []
        return
    for item in values:
        kind = _kind(item, active)
        _add(result, active.term_of(iri, kind, item), item, kind, active)


def _keyword(iri: str, values: Any, result: dict[str, Any], active: Active) -> None:
    if iri == "@id":
        result[active.alias_id] = active.compact_id(values)
    elif iri == "@type":
        names = [active.compact_vocab(one) for one in values]
        for name in names:
            if active.is_scoped_type(name):
                raise Unsupported
        result[active.alias_type] = names[0] if len(names) == 1 else names
    else:
        raise Unsupported


def _kind(item: Any, active: Active) -> str:
    """Name the kind of an expanded value, as far as term selection cares."""
    if type(item) is not dict:
        raise Unsupported
    if "@value" in item:
        if len(item) == 1:
            return "v"
        if "@type" in item and len(item) == 2:
            return "t" + str(item["@type"])
        if "@language" in item and len(item) == 2:
            return "g" + str(item["@language"])
        raise Unsupported
    if "@list" in item:
        if len(item) != 1:
            raise Unsupported
        return _list_kind(item["@list"])
    if "@id" in item:
        return "i" if active.is_term(item["@id"]) else "n"
    return "o"


def _list_kind(items: list[Any]) -> str:
    """Name what a list is a list of: the type, or else the language, that its items share."""
    if not items:
        return "le"
    language: str | None = None
    kind: str | None = None
    for item in items:
        if type(item) is not dict or "@direction" in item:
            raise Unsupported
        item_language = item_kind = "@none"
        is_value = "@value" in item
        if not is_value:
            item_kind = "@id"
        elif "@language" in item:
            item_language = item["@language"]
        elif "@type" in item:
            item_kind = item["@type"]
        else:
            item_language = "@null"
        if language is None:
            language = item_language
        elif is_value and item_language != language:
            language = "@none"
        if kind is None:
            kind = item_kind
        elif item_kind != kind:
            kind = "@none"
        if kind == "@none" and language == "@none":
            break
    return f"lt{kind}" if kind != "@none" else f"ll{language}"


def _add(result: dict[str, Any], term: Term, item: dict[str, Any], kind: str, active: Active) -> None:
    """Compact one value and add it under its term."""
    if term.hard:
        raise Unsupported
    name = term.name
    containers = term.containers
    if kind[0] == "l":
        values = _items(item["@list"], term, active)
        if "@list" in containers:
            result[name] = values
            return
        value: Any = {active.alias_list: values}
    elif "@language" in containers:
        _add_language(result, name, item, active, as_set="@set" in containers)
        return
    else:
        value = _value(item, term, active)
    if "@set" in containers or "@list" in containers:
        if name in result:
            result[name].append(value)
        else:
            result[name] = [value]
    elif name in result:
        stored = result[name]
        if type(stored) is list:
            stored.append(value)
        else:
            result[name] = [stored, value]
    else:
        result[name] = value


def _items(items: list[Any], term: Term, active: Active) -> list[Any]:
    """Compact the items of a list."""
    found: list[Any] = []
    for item in items:
        if type(item) is not dict:
            raise Unsupported
        if "@value" in item and len(item) == 1 and term.coerce != "@none":
            found.append(item["@value"])
        elif "@list" in item:
            if "@list" not in term.containers or len(item) != 1:
                raise Unsupported
            found.append(_items(item["@list"], term, active))
        else:
            found.append(_value(item, term, active))
    return found


def _value(item: Any, term: Term, active: Active) -> Any:
    """Compact a value object, a reference, or a node."""
    if type(item) is not dict:
        raise Unsupported
    coerce = term.coerce
    if "@value" in item:
        value = item["@value"]
        if len(item) == 1:
            return {active.alias_value: value} if coerce == "@none" else value
        if "@type" in item:
            kind = item["@type"]
            if kind == coerce:
                return value
            return {active.alias_type: active.compact_vocab(kind), active.alias_value: value}
        language = item.get("@language")
        if language is None or len(item) != 2:
            raise Unsupported
        if language == term.language and coerce != "@none":
            return value
        return {active.alias_language: language, active.alias_value: value}
    if len(item) == 1 and "@id" in item:
        if coerce == "@vocab":
            return active.compact_vocab(item["@id"])
        found = active.compact_id(item["@id"])
        return found if coerce == "@id" else {active.alias_id: found}
    return _node(item, active)


def _add_language(result: dict[str, Any], name: str, item: Any, active: Active, *, as_set: bool) -> None:
    """Add a text to a language map."""
    if "@value" not in item:
        raise Unsupported
    tags = result.setdefault(name, {})
    tag = item.get("@language") or active.alias_none
    text = item["@value"]
    if tag not in tags:
        tags[tag] = [text] if as_set else text
    elif type(tags[tag]) is list:
        tags[tag].append(text)
    else:
        tags[tag] = [tags[tag], text]
