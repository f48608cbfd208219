"""The entity type selection language (4.17)."""

from __future__ import annotations

import pytest

from broker.core.errors import BadRequestData, TooComplexQuery
from broker.core.parse_type import parse_type
from broker.core.print_q import print_type
from broker.core.query import TRUE, And, Exists, Node, Or, Path, TypeIs

HOME, VEHICLE, MOTORHOME = TypeIs("urn:t:Home"), TypeIs("urn:t:Vehicle"), TypeIs("urn:t:Motorhome")


def expand(name: str) -> str:
    return name if ":" in name else f"urn:t:{name}"


def compact(iri: str) -> str:
    return iri.removeprefix("urn:t:")


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("Home", HOME),
        ("Home|Vehicle", Or((HOME, VEHICLE))),
        ("Home,Vehicle", Or((HOME, VEHICLE))),
        ("(Home;Vehicle)", And((HOME, VEHICLE))),
        ("(Home;Vehicle)|Motorhome", Or((And((HOME, VEHICLE)), MOTORHOME))),
        ("(Home;Vehicle),Motorhome", Or((And((HOME, VEHICLE)), MOTORHOME))),
        ("(Home)", HOME),
        ("urn:t:Home,https://x.example/T#a", Or((HOME, TypeIs("https://x.example/T#a")))),
        ("*", TRUE),
    ],
)
def test_selection(text: str, node: Node) -> None:
    assert parse_type(text, expand) == node
    if node != TRUE:
        assert parse_type(print_type(node, compact), expand) == node


@pytest.mark.parametrize(
    ("text", "position"),
    [("", 0), ("Home|", 5), ("Home;Vehicle", 4), ("(Home;Vehicle", 13), ("(Home|Vehicle)", 5), ("Home)", 4), ("9x", 0),
     ("((Home))", 1), ("Home ", 4), ("Home,,Home", 5), ("()", 1)],
)  # fmt: skip
def test_refused(text: str, position: int) -> None:
    with pytest.raises(BadRequestData, match=f"^type: expected .* at position {position}"):
        parse_type(text, expand)


def test_bounds() -> None:
    for text in ("a" * 5000, ",".join(["a"] * 201)):
        with pytest.raises(TooComplexQuery):
            parse_type(text, expand)


def test_print_refuses_other_shapes() -> None:
    for node in (Exists(Path("urn:a")), And((Or((HOME, VEHICLE)), MOTORHOME)), Or((HOME, Or((HOME, VEHICLE))))):
        with pytest.raises(ValueError, match="selection language"):
            print_type(node)
