"""Validate a catalog against the official DCAT-AP 3.0.1 SHACL shapes.

The shapes also fire on terms of imported vocabularies, which are not the catalog's to mend: findings on those are left
out. Classes that the shapes expect of outside terms have to stand in the catalog or in `background`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

import pyshacl
from rdflib import DCAT, RDF, SH, Graph, URIRef
from rdflib.term import Node

from ontologies import load

__all__ = ["Finding", "Report", "Severity", "check", "shapes"]

Severity: TypeAlias = Literal["violation", "warning", "info"]

SHAPES = ("dcat-ap-3.0.1/dcat-ap-SHACL.ttl", "dcat-ap-3.0.1/ranges.ttl")

_NOT_OURS = ("http://publications.europa.eu/", "http://www.iana.org/", "http://www.w3.org/", "http://purl.org/")
_SEVERITIES: dict[Node, Severity] = {SH.Violation: "violation", SH.Warning: "warning", SH.Info: "info"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where the catalog leaves its profile."""

    severity: Severity
    focus: str
    path: str
    value: str
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a validation found, and over how much."""

    triples: int
    datasets: int
    findings: tuple[Finding, ...]

    @property
    def violations(self) -> tuple[Finding, ...]:
        """Findings that break the profile."""
        return tuple(f for f in self.findings if f.severity == "violation")


@cache
def shapes(names: tuple[str, ...] = SHAPES) -> Graph:
    """The official shapes, read once.

    The published file refers to property shapes that it does not describe (two of DataService); the SHACL engine
    refuses such a graph, and a shape without a path constrains nothing, so the dangling references are dropped.
    """
    graph = Graph()
    for name in names:
        graph.parse(load.shapes_path(name), format="turtle")
    for shape, part in list(graph.subject_objects(SH.property)):
        if (part, SH.path, None) not in graph:
            graph.remove((shape, SH.property, part))
    return graph


def check(graph: Graph, background: Graph | None = None, shape_graph: Graph | None = None) -> Report:
    """Validate, without inference and without fetching anything."""
    _, results, _ = pyshacl.validate(
        graph, shacl_graph=shape_graph if shape_graph is not None else shapes(), ont_graph=background, inference="none"
    )
    if not isinstance(results, Graph):
        raise TypeError("the SHACL engine returned no report graph")
    found = sorted(set(_findings(results)), key=lambda f: (f.severity, f.focus, f.path, f.value, f.message))
    datasets = len(set(graph.subjects(RDF.type, DCAT.Dataset)))
    return Report(len(graph), datasets, tuple(found))


def _findings(results: Graph) -> Iterable[Finding]:
    for result in results.objects(None, SH.result):
        focus = results.value(result, SH.focusNode)
        if isinstance(focus, URIRef) and str(focus).startswith(_NOT_OURS):
            continue
        severity = results.value(result, SH.resultSeverity)
        yield Finding(
            _SEVERITIES.get(severity, "violation") if severity is not None else "violation",
            str(focus or ""),
            str(results.value(result, SH.resultPath) or ""),
            str(results.value(result, SH.value) or ""),
            str(results.value(result, SH.resultMessage) or ""),
        )
