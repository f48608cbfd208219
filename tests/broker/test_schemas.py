"""The broker's JSON schemas are those of its models, and say what the parsers say."""

from __future__ import annotations

from typing import Any

import jsonschema
import orjson
import pytest
from hypothesis import given, settings
from referencing import Registry, Resource

from broker import schemas
from broker.core import change, envelope
from broker.core.entity import Doc
from broker.core.envelope import EnvelopeError
from ontologies import load
from tests.broker.core.test_change import EVENT
from tests.broker.core.test_envelope import SMALL, make
from tests.strategies.entities import docs

FILES = {name: orjson.loads(text) for name, text in schemas.schemas()}
REGISTRY: Registry[Any] = Registry().with_resources(
    (document["$id"], Resource.from_contents(document)) for document in FILES.values()
)


def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(FILES[name], registry=REGISTRY)


def test_the_files_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert schemas.main(["--check"]) == 0
    assert capsys.readouterr().err == ""
    assert set(FILES) == {"change", "entity", "envelope"}


@pytest.mark.parametrize("name", sorted(FILES))
def test_each_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(FILES[name])
    assert orjson.loads(load.schema_path(name).read_bytes()) == FILES[name]


@settings(max_examples=100, deadline=None)
@given(docs())
def test_what_we_write_is_valid(doc: Doc) -> None:
    validator("entity").validate(doc)
    validator("envelope").validate(orjson.loads(envelope.serialise(make(doc))))


def test_a_change_event_is_valid() -> None:
    validator("change").validate(orjson.loads(change.serialise(EVENT)))


@pytest.mark.parametrize(
    "fault",
    [
        {"op": "upsert"},
        {"extra": 1},
        {"v": 2},
        {"subjects": "p"},
        {"entity": {"id": "urn:x:1", "type": ["https://a.example/T"], "speed": {"type": "Property", "value": 1}}},
        {"entity": {"id": "urn:x:1", "type": ["https://a.example/T"], "https://a.example/t": {"type": "Property"}}},
        {"entity": {"id": "urn:x:1", "type": "https://a.example/T"}},
    ],
    ids=lambda fault: str(fault)[:40],
)
def test_what_the_parser_refuses_is_invalid(fault: dict[str, Any]) -> None:
    raw = orjson.loads(envelope.serialise(SMALL)) | fault
    assert not validator("envelope").is_valid(raw)
    with pytest.raises(EnvelopeError):
        envelope.parse(orjson.dumps(raw))
