"""From a Thing Description to drafts: one declaration for each property that can be read."""

from __future__ import annotations

from connectors.draft.sample import OWN, Draft, flow, quoted, term_for
from connectors.names import Names
from connectors.things import ThingFeed, ThingImport

__all__ = ["draft_thing"]

_NUMBERS = {"number": "number", "integer": "integer"}


def draft_thing(thing: ThingImport, domain: str, names: Names) -> list[Draft]:
    """Draft the declarations of a thing's properties."""
    return [_draft(thing, one, domain, names) for one in thing.feeds]


def _draft(thing: ThingImport, one: ThingFeed, domain: str, names: Names) -> Draft:
    draft = Draft(one.name, "", questions=list(thing.questions))
    kind = "Thing"
    attribute = one.property if one.property not in {"id", "type", "scope", "location"} else f"{one.property}Value"
    term_for(kind, "https://www.w3.org/2019/wot/td#Thing", names, draft)
    term_for(attribute, OWN + attribute, names, draft)
    shape = str(one.schema.get("type", ""))
    structured = shape == "object"
    call = _NUMBERS.get(shape)
    value = f"{call}(value)" if call else "value"
    members = list(one.schema.get("properties", {})) if structured else []
    attributes = [f"      {attribute}: {_declared(value, one.unit)}"]
    if structured:
        for name in members:
            term_for(name, OWN + name, names, draft)
        attributes = [f"      {name}: {quoted(f'value.{name}')}" for name in members]
        if not members:
            draft.questions.append(f"the Description does not say what {one.property} has inside: name it in keep")
            attributes = [f"      {attribute}: value"]
    keep = [f"value/{name}" for name in members] if members else ["value"]
    itself = f"'{thing.thing}'"
    lines = [
        f"# Drafted from the Thing Description of {thing.title!r}. Then: python -m connectors check {one.name}",
        *[f"# QUESTION: {question}" for question in draft.questions],
        f"feed: {one.name}",
        f"title: {quoted(f'{thing.title}, {one.title}')}",
        f"domain: {domain}",
        f"source: {flow(one.source)}",
        "decoder: {kind: json, records: '{value: @}'}",
        f"key: {quoted(itself)}",
        "minimise:",
        f"  keep: [{', '.join(quoted(one) for one in (*keep, '@received'))}]",
        "mapping:",
        f"  - type: {kind}",
        f"    id: {quoted(itself)}",
        "    observedAt: '\"@received\"'",
        "    attributes:",
        *attributes,
    ]
    low, high = one.schema.get("minimum"), one.schema.get("maximum")
    if call and low is not None and high is not None:
        lines += ["quality:", f"  ranges: {{{attribute}: [{low}, {high}]}}"]
    draft.text = "\n".join([*lines, ""])
    draft.report = {"thing": thing.thing, "property": one.property, "unit": one.unit}
    return draft


def _declared(value: str, unit: str | None) -> str:
    return f"{{value: {quoted(value)}, unitCode: {unit}}}" if unit else quoted(value)
