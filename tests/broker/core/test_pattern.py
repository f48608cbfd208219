"""Regular expressions: the same in memory as in PostgreSQL (compare test_compile), linear, and refused if unsafe."""

from __future__ import annotations

import re
import time
from random import Random

import pytest

from broker.core.errors import BadRequestData, TooComplexQuery
from broker.core.pattern import pattern
from tests.strategies.queries import QueryMaker

TEXTS = ["", "a", "ab", "abab", "Ä1", "日本", "a\nb", "\n", "x.y", "zzz", "b a", "10", "aaaa"]


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_re_where_both_have_the_language(seed: int) -> None:
    maker = QueryMaker(Random(seed))  # noqa: S311 - not for secrets
    met = 0
    for _ in range(400):
        text = maker.expression()
        python = text.replace("[[:alnum:]]", "[A-Za-z0-9]")
        python = python[:-1] + r"\Z" if python.endswith("$") else python
        other = re.compile(python, re.DOTALL | re.ASCII)
        for candidate in TEXTS:
            found = pattern(text).found(candidate)
            assert found is bool(other.search(candidate)), (text, candidate)
            met += found
    assert met > 1000


@pytest.mark.parametrize(
    ("text", "found", "missing"),
    [
        ("^urn:ngsi-ld:Car:[0-9]+$", "urn:ngsi-ld:Car:12", "urn:ngsi-ld:Car:12x"),
        ("b{2,3}$", "abbb", "abba"),
        ("^b{2}$", "bb", "bbb"),
        ("^(a|b|)c$", "c", "dc"),
        ("[]x-]", "-", "y"),
        ("[^]x]", "y", "]"),
        (r"[\]\w]", "]", "-"),
        ("a{", "a{", "a"),
        (r"\(x\)", "(x)", "x"),
        ("^.$", "\n", ""),
        ("^$", "", "\n"),
        ("a$", "ba", "a\n"),
        ("[[:punct:][:space:]]", "a b", "ab"),
        ("^x{0}y", "y", "xy"),
        ("(^a|b$)", "ab", "ba"),
        ("^[A-Z][a-z]*$", "Abc", "ABC"),
    ],
)
def test_language(text: str, found: str, missing: str) -> None:
    assert pattern(text).found(found)
    assert not pattern(text).found(missing)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (r"(a)\1", r"the escape \1"),
        ("(?=a)", "look-around"),
        ("(?i)a", "flags"),
        (r"\bword", r"the escape \b"),
        ("a**", "repetition of a repetition"),
        ("*a", "nothing to repeat"),
        ("^*", "repetition of '^'"),
        ("a{3,2}", "ends swapped"),
        ("a{256}", "outside 0 to 255"),
        ("a{1,x}", "not {m}, {m,} or {m,n}"),
        ("(a", "'(' without ')'"),
        ("a)", "')' without '('"),
        ("[a", "ends too early"),
        ("[z-a]", "two characters in order"),
        ("[[:nope:]]", "bracket class"),
        ("[[.a.]]", "bracket class"),
        ("a\\", "ends too early"),
        ("a\0", "no text can hold"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(BadRequestData, match=re.escape(reason)):
        pattern(text)


@pytest.mark.parametrize("text", ["a" * 257, "((a{200}){200})", "(" * 30 + ")" * 30])
def test_too_complex(text: str) -> None:
    with pytest.raises(TooComplexQuery):
        pattern(text)


@pytest.mark.parametrize("text", ["(a+)+$", "^(a|a)*$", "(a*)*b", "a*a*a*a*a*b", "(.*)*x"])
def test_no_text_makes_it_slow(text: str) -> None:
    started = time.process_time()
    assert not pattern(text).found("a" * 20_000 + "!")
    assert time.process_time() - started < 2
