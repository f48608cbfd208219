"""The city folder that drafts are written for: its time zone, its feeds, its terms, the domains of its types."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from connectors.draft.sample import Draft
from connectors.errors import FeedError

__all__ = ["ask_for_domain", "time_zone", "write_draft"]


def time_zone(city: Path) -> str:
    """Read the city's time zone; UTC where city.yaml names none."""
    try:
        found = yaml.safe_load((city / "city.yaml").read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return "UTC"
    return str(found.get("time_zone", "UTC")) if isinstance(found, dict) else "UTC"


def ask_for_domain(draft: Draft, domain: str, city: Path) -> None:
    """Ask in a draft for a domain of its types, where the one that is to own it does not list them."""
    declared = yaml.safe_load(draft.text)
    listed = {path.stem: _types(path) for path in sorted((city / "domains").glob("*.yaml"))}
    for kind in sorted({str(one["type"]) for one in declared["mapping"]}):
        homes = [name for name, types in listed.items() if kind in types]
        if domain in homes:
            continue
        if homes:
            question = f"type {kind} belongs to domain {homes[0]}: is the feed to belong there too?"
        else:
            question = (
                f"type {kind} belongs to no domain of the city, so that nothing of it is stored:"
                f" add it to types in domains/{domain}.yaml"
            )
        draft.questions.append(question)
        first, _, rest = draft.text.partition("\n")
        draft.text = f"{first}\n# QUESTION: {question}\n{rest}"


def _types(path: Path) -> list[str]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise FeedError(f"{path}: cannot be read: {error}") from error
    types = found.get("types") if isinstance(found, dict) else None
    return [str(one) for one in types] if isinstance(types, list) else []


def write_draft(draft: Draft, city: Path) -> None:
    """Put a draft into feeds/ and its new terms into context.jsonld; FeedError where the feed exists already."""
    target = city / "feeds" / f"{draft.feed}.yaml"
    if target.exists():
        raise FeedError(f"{target}: exists already; choose another name, or remove it first")
    if draft.terms:
        path = city / "context.jsonld"
        document = json.loads(path.read_text(encoding="utf-8"))
        found = document.get("@context")
        terms = found if isinstance(found, dict) else next((one for one in found or [] if isinstance(one, dict)), None)
        if terms is None:
            raise FeedError(f"{path}: has no object of terms to add {', '.join(draft.terms)} to")
        terms.update(draft.terms)
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    target.write_text(draft.text, encoding="utf-8")
