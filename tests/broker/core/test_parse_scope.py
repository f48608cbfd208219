"""The scope query language (4.19), read and met."""

from __future__ import annotations

import pytest

from broker.core.errors import BadRequestData, TooComplexQuery
from broker.core.match import matches
from broker.core.parse_scope import parse_scope
from broker.core.print_q import print_scope
from broker.core.query import And, Node, Or, ScopeIs


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("/Madrid", ScopeIs("/Madrid")),
        ("/Madrid/Gardens/#", ScopeIs("/Madrid/Gardens/#")),
        ("/Madrid/+/ParqueNorte", ScopeIs("/Madrid/+/ParqueNorte")),
        ("(/Madrid/Districts;/CompanyA)", And((ScopeIs("/Madrid/Districts"), ScopeIs("/CompanyA")))),
        (
            "(/Madrid/Districts;/CompanyA)|CompanyB",
            Or((And((ScopeIs("/Madrid/Districts"), ScopeIs("/CompanyA"))), ScopeIs("/CompanyB"))),
        ),
        ("/a,/b|/c", Or((ScopeIs("/a"), ScopeIs("/b"), ScopeIs("/c")))),
        ("/#", ScopeIs("/#")),
    ],
)
def test_language(text: str, node: Node) -> None:
    assert parse_scope(text) == node
    assert parse_scope(print_scope(node)) == node


@pytest.mark.parametrize(
    ("text", "scopes", "met"),
    [
        ("/Madrid", ["/Madrid"], True),
        ("/Madrid", ["Madrid"], True),
        ("/Madrid", ["/Madrid/Gardens"], False),
        ("/Madrid", ["/Madrid2"], False),
        ("/Madrid/Gardens/#", ["/Madrid/Gardens"], True),
        ("/Madrid/Gardens/#", ["/Madrid/Gardens/ParqueNorte/Parterre1"], True),
        ("/Madrid/Gardens/#", ["/Madrid/GardensX"], False),
        ("/Madrid/+/ParqueNorte", ["/Madrid/Sights/ParqueNorte"], True),
        ("/Madrid/+/ParqueNorte", ["/Madrid/ParqueNorte"], False),
        ("/Madrid/+/ParqueNorte", ["/Madrid/a/b/ParqueNorte"], False),
        ("(/a;/b)", ["/a", "/b"], True),
        ("(/a;/b)", ["/a"], False),
        ("/#", ["/x"], True),
        ("/#", [], False),
    ],
)
def test_meaning(text: str, scopes: list[str], met: bool) -> None:
    doc = {"id": "urn:x:1", "type": ["urn:t"], **({"scope": scopes} if scopes else {})}
    assert matches(parse_scope(text), doc) is met


@pytest.mark.parametrize(
    ("text", "position"),
    [("", 0), ("/", 0), ("//a", 0), ("/a|", 3), ("/a/#/b", 4), ("(/a|/b)", 3), ("/9", 0), ("/a b", 2)],
)
def test_refused(text: str, position: int) -> None:
    with pytest.raises(BadRequestData, match=f"^scopeQ: expected .* at (position )?{position}"):
        parse_scope(text)


def test_bounds() -> None:
    for text in ("/" + "a" * 5000, ",".join(["/a"] * 201)):
        with pytest.raises(TooComplexQuery):
            parse_scope(text)
