"""The profile's document says every term that an agreement may use, and no other."""

from __future__ import annotations

import json
from typing import get_args

import pytest

import ontologies.load
from policies.agreements.odrl import Agreement, Constraint, DutyRule, Rule, Target
from policies.agreements.profile import SECTIONS, document
from policies.decision import ACTIONS


def members(model: type[Agreement | Rule | Target]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()} - {"@context", "@type"}


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("agreement", members(Agreement)),
        ("rule", members(Rule)),
        ("target", members(Target)),
        ("action", set(ACTIONS)),
        ("constraint", set(get_args(Constraint.model_fields["leftOperand"].annotation))),
        ("duty", set(get_args(DutyRule.model_fields["action"].annotation))),
    ],
)
def test_every_term_is_in_the_document(section: str, expected: set[str]) -> None:
    [found] = [one for one in SECTIONS if one.name == section]
    assert {term.name for term in found.terms} == expected
    assert all(term.means for term in found.terms)


def test_terms_have_the_iris_of_the_contexts() -> None:
    odrl = ontologies.load.context("http://www.w3.org/ns/odrl.jsonld")["@context"]
    trust = ontologies.load.context("https://datapolis.example/ns/trust.jsonld")["@context"]
    for section in SECTIONS:
        for term in section.terms:
            name = term.name.removeprefix("t:")
            given = trust.get(name) or odrl.get(name) or f"t:{name}"
            iri = given["@id"] if isinstance(given, dict) else given
            if iri == "@id":
                iri = "odrl:uid"
            prefix, _, local = iri.partition(":")
            bases = {
                "t": trust["t"],
                "odrl": "http://www.w3.org/ns/odrl/2/",
                "dct": "http://purl.org/dc/terms/",
            }
            assert term.iri == bases[prefix] + local, term.name


def test_the_document_is_json() -> None:
    made = document({"type": "object"})
    assert json.loads(json.dumps(made)) == made
    assert made["@id"] == "https://datapolis.example/ns/trust"
    assert len(made["terms"]) == sum(len(section.terms) for section in SECTIONS)
