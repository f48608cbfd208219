"""The purposes of data use: the hierarchy of the W3C Data Privacy Vocabulary (DPV) 2.3."""

from __future__ import annotations

from pathlib import Path

from rdflib import SKOS, Graph, URIRef

__all__ = ["ROOT", "ancestors", "labels"]

ROOT = "https://w3id.org/dpv#Purpose"
_FILE = Path(__file__).parent / "vocab" / "dpv-purposes.ttl"


def _graph() -> Graph:
    return Graph().parse(_FILE, format="turtle")


def ancestors() -> dict[str, list[str]]:
    """Give each purpose's broader purposes, all the way up, in order of their IRIs; the root has none."""
    graph = _graph()
    concepts = sorted({str(concept) for concept in graph.subjects(SKOS.prefLabel)})
    return {concept: sorted(str(item) for item in _above(graph, URIRef(concept))) for concept in concepts}


def _above(graph: Graph, concept: URIRef) -> set[URIRef]:
    found: set[URIRef] = set()
    todo = [concept]
    while todo:
        for broader in graph.objects(todo.pop(), SKOS.broader):
            if isinstance(broader, URIRef) and broader not in found:
                found.add(broader)
                todo.append(broader)
    return found


def labels(language: str = "en") -> dict[str, str]:
    """Give each purpose's label in the language (DPV itself has English only)."""
    return {
        str(concept): str(label)
        for concept, label in sorted(_graph().subject_objects(SKOS.prefLabel))
        if getattr(label, "language", None) == language
    }
