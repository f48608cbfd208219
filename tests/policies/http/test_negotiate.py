"""Accept headers: q-values, specificity, ties, and what cannot be served."""

from __future__ import annotations

import pytest

from policies.http.negotiate import choose

OFFERED = ("text/turtle", "application/ld+json", "application/rdf+xml", "text/html")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "text/turtle"),
        ("", "text/turtle"),
        ("*/*", "text/turtle"),
        ("application/ld+json", "application/ld+json"),
        ("text/turtle;q=0.5, application/ld+json", "application/ld+json"),
        ("application/ld+json;q=0.5, text/turtle;q=0.6", "text/turtle"),
        ("application/*", "application/ld+json"),
        ("application/*;q=0.4, application/rdf+xml;q=0.9", "application/rdf+xml"),
        ("text/*, text/turtle;q=0", "text/html"),
        ("*/*;q=0.1, text/html", "text/html"),
        ("*/*, text/html", "text/html"),
        ("text/html, text/*", "text/html"),
        ("application/rdf+xml, application/ld+json, */*", "application/ld+json"),
        ("APPLICATION/LD+JSON", "application/ld+json"),
        ('application/ld+json;profile="http://www.w3.org/ns/json-ld#compacted"', "application/ld+json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("image/png", None),
        ("text/turtle;q=0", None),
        ("*/turtle", None),
        ("nonsense", None),
        ("text/turtle;q=much", None),
    ],
)
def test_choice(accept: str | None, chosen: str | None) -> None:
    """What the client likes best wins; a specific range outweighs a general one."""
    assert choose(accept, OFFERED) == chosen
