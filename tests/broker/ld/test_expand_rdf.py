"""Expansion against an oracle that shares nothing with it: the RDF graph that rdflib's own JSON-LD parser reads.

The core's one scoped context (for proofs) is left out of what rdflib is given, since rdflib would fetch the document it
refers to. Language tags are compared in lower case, as JSON-LD expansion writes them.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from rdflib import Graph, Literal
from rdflib.compare import isomorphic

from broker.ld.active import Active
from broker.ld.expand import expand
from ontologies import load
from tests.strategies.entities import CONTEXT, Maker

CORE = {name: term for name, term in load.context(load.CORE_CONTEXT)["@context"].items() if name != "ngsildproof"}


def graph(document: Any) -> Graph:
    found = Graph()
    for subject, predicate, item in Graph().parse(data=json.dumps(document), format="json-ld"):
        if isinstance(item, Literal) and item.language:
            item = Literal(str(item), lang=item.language.lower())
        found.add((subject, predicate, item))
    return found


# rdflib's JSON-LD parser uses what rdflib itself has deprecated
@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")
@pytest.mark.parametrize("seed", range(3))
def test_the_expanded_document_is_the_same_graph(seed: int) -> None:
    active = Active([CONTEXT], CONTEXT)
    maker = Maker(seed)
    for _ in range(25):
        entity = maker.entity(attributes=4, wild=False)
        theirs = graph({**entity, "@context": [CONTEXT, CORE]})
        ours = graph(expand(entity, active))
        assert len(ours) > 0
        assert isomorphic(ours, theirs), entity
