"""The query language: what 4.9 gives as examples, what it refuses, and the way back to text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings

from broker.core.errors import BadRequestData, OperationNotSupported, TooComplexQuery
from broker.core.parse_q import MAX_DEPTH, MAX_LENGTH, MAX_LIST, MAX_PATH, MAX_TERMS, parse_q
from broker.core.print_q import print_q
from broker.core.query import (
    And,
    Boolean,
    Compare,
    DateTimeLiteral,
    Exists,
    Linked,
    ListOf,
    Matches,
    Node,
    Not,
    Number,
    Operand,
    Or,
    Path,
    Range,
    Text,
    TypeIs,
    Uri,
)
from tests.strategies.queries import NS, QueryMaker, makers


def expand(term: str) -> str:
    return NS + term


def compact(iri: str) -> str:
    return iri.removeprefix(NS)


def parse(text: str) -> Node:
    return parse_q(text, expand)


def path(name: str, *sub: str, member: tuple[str, ...] = (), lang: str | None = None) -> Path:
    return Path(NS + name, tuple(NS + one for one in sub), tuple(NS + one for one in member), lang)


T = DateTimeLiteral("2017-12-24T12:00:00Z", "dateTime")
SPEED, RPM = Compare(path("speed"), ">", Number(50)), Compare(path("rpm"), ">", Number(3000))
BRAND = Compare(path("brandName"), "==", Text("Mercedes"))


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("temperature", Exists(path("temperature"))),
        ("temperature==20", Compare(path("temperature"), "==", Number(20))),
        ('brandName!="Mercedes"', Compare(path("brandName"), "!=", Text("Mercedes"))),
        (
            'isParked=="urn:ngsi-ld:OffStreetParking:Downtown1"',
            Compare(path("isParked"), "==", Text("urn:ngsi-ld:OffStreetParking:Downtown1")),
        ),
        ('speed>50;brandName!="Mercedes"', And((SPEED, Compare(path("brandName"), "!=", Text("Mercedes"))))),
        ('((speed>50|rpm>3000);brandName=="Mercedes")', And((Or((SPEED, RPM)), BRAND))),
        (
            "(temperature>=20;temperature<=25)|capacity<=10",
            Or(
                (
                    And(
                        (
                            Compare(path("temperature"), ">=", Number(20)),
                            Compare(path("temperature"), "<=", Number(25)),
                        )
                    ),
                    Compare(path("capacity"), "<=", Number(10)),
                )
            ),
        ),
        ("temperature.observedAt>=2017-12-24T12:00:00Z", Compare(path("temperature", "observedAt"), ">=", T)),
        ('address[city]=="Berlin"', Compare(path("address", member=("city",), lang="city"), "==", Text("Berlin"))),
        (
            "sensor.rawdata[airquality.particulate]==40",
            Compare(path("sensor", "rawdata", member=("airquality", "particulate")), "==", Number(40)),
        ),
        ("speed>50|rpm>3000;speed>50", Or((SPEED, And((RPM, SPEED))))),
        ("(speed>50);(((rpm>3000)))", And((SPEED, RPM))),
        ("(speed>50;rpm>3000);speed>50", And((And((SPEED, RPM)), SPEED))),
    ],
)
def test_examples_and_precedence(text: str, node: Node) -> None:
    assert parse(text) == node


@pytest.mark.parametrize(
    ("text", "operand"),
    [
        ("10..20", Range(Number(10), Number(20))),
        ("1.5..2.5", Range(Number(1.5), Number(2.5))),
        ("-1e2", Number(-100.0)),
        ('"black","red"', ListOf((Text("black"), Text("red")))),
        ('"black", "red"', ListOf((Text("black"), Text("red")))),
        ('1,"a",true,2026-01-01', ListOf((Number(1), Text("a"), Boolean(True), DateTimeLiteral("2026-01-01", "date")))),
        ("true", Boolean(True)),
        ("false", Boolean(False)),
        ("2026-01-01", DateTimeLiteral("2026-01-01", "date")),
        ("10:00:00Z", DateTimeLiteral("10:00:00Z", "time")),
        ("2017-12-24T12:00:00,5Z", DateTimeLiteral("2017-12-24T12:00:00,5Z", "dateTime")),
        ("2017-12-24T12:00:00Z..2017-12-24T12:00:00Z", Range(T, T)),
        ('"a".."b"', Range(Text("a"), Text("b"))),
        (r'"q\"\\\u00e9;|)"', Text('q"\\é;|)')),
        ("urn:ngsi-ld:Vehicle:1", Uri("urn:ngsi-ld:Vehicle:1")),
        ("http://example.com/a(b),c?x=1", Uri("http://example.com/a(b),c?x=1")),
        ("urn:x:1,urn:x:2", ListOf((Uri("urn:x:1"), Uri("urn:x:2")))),
        ("<urn:x:a;b,c)>", Uri("urn:x:a;b,c)")),
        ("truest:x", Uri("truest:x")),
    ],
)
def test_values(text: str, operand: Operand) -> None:
    for op in ("==", "!="):
        assert parse(f"a{op}{text}") == Compare(path("a"), op, operand)
    assert parse(f"(a=={text};b)|c") == Or(
        (And((Compare(path("a"), "==", operand), Exists(path("b")))), Exists(path("c")))
    )


@pytest.mark.parametrize(
    ("text", "expression", "negated"),
    [
        ('name~="^Bus [0-9]+$"', "^Bus [0-9]+$", False),
        ("name!~=^Bus", "^Bus", True),
        ("name~=(a;b|c)d", "(a;b|c)d", False),
        ("name~=[);|]x", "[);|]x", False),
        (r"name~=a\;b", r"a\;b", False),
        (r'name~="say \"hi\" \. "', r'say "hi" \. ', False),
    ],
)
def test_patterns(text: str, expression: str, negated: bool) -> None:
    assert parse(text) == Matches(path("name"), expression, negated)
    assert parse(f"({text});a") == And((Matches(path("name"), expression, negated), Exists(path("a"))))


def test_brackets_keep_a_single_name_as_language_and_as_member() -> None:
    assert parse('color[en]=="red"') == Compare(path("color", member=("en",), lang="en"), "==", Text("red"))
    assert parse('color[*]=="red"') == Compare(path("color", lang="*"), "==", Text("red"))
    assert parse('color[fr-CH]=="rouge"') == Compare(path("color", lang="fr-CH"), "==", Text("rouge"))
    assert parse('color[@none]=="red"') == Compare(path("color", lang="@none"), "==", Text("red"))


def test_json_keys_are_not_expanded_and_values_of_expand_values_are() -> None:
    found = parse_q('tickets[value]=="x"', expand, json_keys=[NS + "tickets"])
    assert found == Compare(Path(NS + "tickets", (), ("value",), "value"), "==", Text("x"))
    for text in ("gender==Male", 'gender=="Male"'):
        assert parse_q(text, expand, expand_values={NS + "gender"}) == Compare(path("gender"), "==", Uri(NS + "Male"))
    assert parse_q("gender==Male", expand) == Compare(path("gender"), "==", Text("Male"))


def test_names_in_angle_brackets_and_prefixed() -> None:
    assert parse("<https://x.example/a.b>.<urn:c>") == Exists(Path("https://x.example/a.b", ("urn:c",)))
    assert parse("ex:speed>1") == Compare(path("ex:speed"), ">", Number(1))
    assert parse("straße_2") == Exists(path("straße_2"))


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("", 0, "an attribute name"),
        ("a==", 3, "a value"),
        ("a=20", 1, "an operator"),
        ("a==20 ", 3, "a value"),
        ("a==20;", 6, "an attribute name"),
        ("a;;b", 2, "an attribute name"),
        ("(a", 2, "')'"),
        ("a)", 1, "the end"),
        ("(a))", 3, "the end"),
        ("a[b", 3, "']'"),
        ("a[b]c", 4, "an operator"),
        ("a.==1", 2, "an attribute name after '.'"),
        ("1a==1", 0, "an attribute name"),
        ("a>true", 1, "a number, quoted string, date or time after '>'"),
        ("a>1..2", 1, "a number, quoted string, date or time after '>'"),
        ("a<1,2", 1, "a number, quoted string, date or time after '<'"),
        ("a>=urn:x:1", 1, "a number, quoted string, date or time after '>='"),
        ('a==1.."b"', 9, "a range"),
        ("a==true..false", 14, "a range"),
        ("a==2026-02-30", 3, "a date that exists"),
        ("a==2026-01-01T25:00:00Z", 3, "a dateTime that exists"),
        ("a==2026-01-01T00:00:00+01:00", 3, "a value"),
        ("a==01", 3, "a value"),
        ("a==1e999", 8, "a number"),
        ('a=="x', 3, "a value"),
        ('a=="x"y', 6, "the end after a value"),
        (r'a=="\u0000"', 3, "a string without NUL"),
        (r'a=="\ud800"', 3, "a string without NUL"),
        ("a=='x'", 3, "a value"),
        ("a~=", 3, "a regular expression"),
        ('a~="x"y', 6, "the end after a value"),
    ],
)
def test_refused_with_position_and_expectation(text: str, position: int, expected: str) -> None:
    with pytest.raises(BadRequestData, match=rf"^q: expected .*{re.escape(expected)}.* at position {position}, found"):
        parse(text)


def test_refused_regular_expression_says_why() -> None:
    with pytest.raises(BadRequestData, match=r"q: before position 9: the regular expression .* look-around"):
        parse("a~=(?=x)y")


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("a{b}==40", Linked("urn:a", (), Compare(Path("urn:b"), "==", Number(40)))),
        ("a{Device:b}", Linked("urn:a", ("urn:Device",), Exists(Path("urn:b")))),
        (
            "a{T,<urn:U>:b.c[d.e]}>1",
            Linked(
                "urn:a",
                ("urn:T", "urn:U"),
                Compare(Path("urn:b", ("urn:c",), ("urn:d", "urn:e")), ">", Number(1)),
            ),
        ),
        ("a{b{T:c}}~=x", Linked("urn:a", (), Linked("urn:b", ("urn:T",), Matches(Path("urn:c"), "x")))),
        (
            "(a{b}|c);d",
            And((Or((Linked("urn:a", (), Exists(Path("urn:b"))), Exists(Path("urn:c")))), Exists(Path("urn:d")))),
        ),
    ],
)
def test_linked_entities(text: str, node: Node) -> None:
    assert parse_q(text, lambda name: f"urn:{name}", joins=2) == node
    assert parse_q(print_q(node), str, joins=2) == node
    assert parse_q(print_q(node, lambda name: name.removeprefix("urn:")), lambda name: f"urn:{name}", joins=2) == node


def test_a_prefixed_name_in_braces_is_no_type_hint_once_printed() -> None:
    node = Linked("urn:a", (), Exists(Path("urn:ex:b")))
    compact = {"urn:a": "a", "urn:ex:b": "ex:b"}
    assert print_q(node, compact.__getitem__) == "a{<urn:ex:b>}"


@pytest.mark.parametrize(
    "text", ["a{b", "a{}", "a{{b}}", "a.b{c}", "a[b]{c}", "a{b}c", "a{b}.c", "a}b", "a{T:}", "a{b{c{d}}}"]
)
def test_links_out_of_form_or_too_deep_are_refused(text: str) -> None:
    with pytest.raises(BadRequestData, match=r"^q: "):
        parse_q(text, lambda name: f"urn:{name}", joins=2)


def test_no_depth_is_allowed_without_a_join() -> None:
    with pytest.raises(BadRequestData, match="needs the parameter join and a joinLevel of 1"):
        parse_q("a{b}", str, joins=0)


@pytest.mark.parametrize("text", ["sensor{humidity}==40", "sensor{Device:humidity}==40", "a{b{c}}"])
def test_linked_entities_are_refused_as_unsupported(text: str) -> None:
    with pytest.raises(OperationNotSupported, match="linked entities"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "a" * (MAX_LENGTH + 1),
        ";".join(["a"] * (MAX_TERMS + 1)),
        "(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1),
        "a==" + ",".join(["1"] * (MAX_LIST + 1)),
        ".".join(["a"] * (MAX_PATH + 2)),
        "a~=" + "x" * 300,
    ],
    ids=["length", "terms", "depth", "list", "path", "pattern"],
)
def test_bounds(text: str) -> None:
    with pytest.raises(TooComplexQuery):
        parse(text)


def _condition(maker: QueryMaker, depth: int = 3) -> Node:
    if not depth or maker.r.random() < 0.4:
        return maker.linked_term()
    items = tuple(_condition(maker, depth - 1) for _ in range(maker.r.choice([2, 3])))
    return And(items) if maker.r.random() < 0.5 else Or(items)


@settings(max_examples=300, deadline=None)
@given(makers)
def test_printed_text_parses_to_the_same(maker: QueryMaker) -> None:
    node = _condition(maker)
    assert parse_q(print_q(node, compact), expand, joins=20) == node
    assert parse_q(print_q(node), lambda name: pytest.fail(f"{name} was expanded"), joins=20) == node


def test_print_is_readable() -> None:
    text = 'speed>50;(name[en]~="^B"|address.city!="x","y");at==2026-01-01..2026-02-01;ref==urn:x:1'
    assert print_q(parse(text), compact) == text
    assert print_q(parse(r'a~=x"y'), compact) == r'a~="x\"y"'


@pytest.mark.parametrize("node", [TypeIs("urn:t"), Not(TypeIs("urn:t")), And(()), Or((Exists(path("a")),))])
def test_print_refuses_what_q_cannot_say(node: Node) -> None:
    with pytest.raises(ValueError, match="q cannot express"):
        print_q(node)


def test_absence_can_be_asked_for() -> None:
    """`!path`: the entity has no such thing; it prints as it reads."""
    found = parse_q("!speed;brandName", expand)
    assert found == And((Not(Exists(path("speed"))), Exists(path("brandName"))))
    assert parse_q(print_q(found), expand) == found
    for text in ("!", "!speed>1", "!isIn{name}", "!!speed", "!speed==1"):
        with pytest.raises(BadRequestData):
            parse_q(text, expand, joins=2)


def test_a_bare_name_is_its_string() -> None:
    """As EXAMPLE 12 of 4.9 has it; other bare text is refused."""
    assert parse_q("brandName==Mercedes", expand) == Compare(path("brandName"), "==", Text("Mercedes"))
    for text in ("brandName==Mercedes Benz", "brandName==-x", "brandName==1x", "brandName==a..", "brandName=="):
        with pytest.raises(BadRequestData):
            parse_q(text, expand)
