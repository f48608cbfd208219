"""The purposes that agreements and requests may name, as the rules know them (`rego/datapolis/purposes/data.json`)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import orjson

from policies.caller import DPV

__all__ = ["FILE", "broader", "iri", "is_a", "known", "text"]

FILE = Path(__file__).parent / "rego" / "datapolis" / "purposes" / "data.json"


@cache
def broader() -> dict[str, frozenset[str]]:
    """Give each purpose's broader purposes, all the way up."""
    return {purpose: frozenset(above) for purpose, above in orjson.loads(FILE.read_bytes()).items()}


def text() -> bytes:
    """Write the file anew from the vocabulary in `ontologies`."""
    from ontologies.purposes import ancestors  # reads RDF: only when the file is written or compared

    return orjson.dumps(ancestors(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def iri(purpose: str) -> str:
    """Write `dpv:X` in full; anything else stays."""
    return DPV + purpose[4:] if purpose.startswith("dpv:") else purpose


def known(purpose: str) -> bool:
    """Tell whether the rules know the purpose (an IRI)."""
    return purpose in broader()


def is_a(purpose: str, other: str) -> bool:
    """Tell whether the purpose is the other one or narrower."""
    return purpose == other or other in broader().get(purpose, frozenset())
