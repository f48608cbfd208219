"""Read a context, shape graph or vocabulary by name, from the files beside this module and never from the net."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from rdflib import Graph

__all__ = [
    "CORE_CONTEXT",
    "CORE_VERSIONS",
    "context",
    "context_bytes",
    "contexts",
    "schema_path",
    "shapes",
    "shapes_path",
    "vocabulary",
    "vocabulary_path",
]

_HERE: Final = Path(__file__).resolve().parent

CORE_VERSIONS: Final = ("1.3", "1.4", "1.5", "1.6", "1.7", "1.8", "1.9")
CORE_CONTEXT: Final = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
"""The core @context of CIM 009 V1.9.1, annex B."""

_NAMED: Final = {
    "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld": "ngsi-ld-core-context-v1.9.jsonld",
    "https://w3id.org/security/data-integrity/v2": "data-integrity-v2.jsonld",
    "http://www.w3.org/ns/odrl.jsonld": "odrl.jsonld",
    "https://www.w3.org/ns/odrl.jsonld": "odrl.jsonld",
    "https://datapolis.example/ns/trust.jsonld": "trust.jsonld",
}


@cache
def contexts() -> Mapping[str, Path]:
    """Map each built-in @context's URL to its file; ETSI's are there with http and https."""
    found = {url: _HERE / "contexts" / name for url, name in _NAMED.items()}
    for version in CORE_VERSIONS:
        name = f"ngsi-ld-core-context-v{version}.jsonld"
        found[f"https://uri.etsi.org/ngsi-ld/v1/{name}"] = _HERE / "contexts" / name
    for url in list(found):
        if url.startswith("https://uri.etsi.org/"):
            found["http" + url[len("https") :]] = found[url]
    return MappingProxyType(found)


def context_bytes(url: str) -> bytes:
    """Return a built-in @context document as it is served; KeyError if there is none of this URL."""
    return contexts()[url].read_bytes()


@cache
def context(url: str) -> Mapping[str, Any]:
    """Return a built-in @context document, parsed; not to be changed. KeyError if there is none of this URL."""
    found: dict[str, Any] = json.loads(context_bytes(url))
    return found


def shapes_path(name: str) -> Path:
    """Return the file of a SHACL shape graph, e.g. `dcat-ap-3.0.1/ranges.ttl`."""
    return _existing("shapes", name)


def shapes(name: str) -> Graph:
    """Read a SHACL shape graph."""
    return Graph().parse(shapes_path(name), format="turtle")


def vocabulary_path(name: str) -> Path:
    """Return the file of a vocabulary, e.g. `odrl.ttl`."""
    return _existing("vocab", name)


def vocabulary(name: str) -> Graph:
    """Read a vocabulary."""
    return Graph().parse(vocabulary_path(name), format="turtle")


def schema_path(name: str) -> Path:
    """Return where a contract's JSON schema stands, e.g. `envelope` for `schemas/envelope.json`."""
    return _HERE / "schemas" / f"{name}.json"


def _existing(folder: str, name: str) -> Path:
    path = _HERE / folder / name
    if not path.is_file():
        known = ", ".join(
            sorted(str(one.relative_to(_HERE / folder)) for one in (_HERE / folder).rglob("*") if one.is_file())
        )
        raise KeyError(f"{name}: no such file in ontologies/{folder}; there are {known}")
    return path
