"""The OpenAPI document says what the routes are, all of them and no others."""

from __future__ import annotations

import re

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from broker.app import create_app
from broker.http import answers
from broker.http.hot import Hot
from broker.http.openapi import document
from broker.http.openapi.operations import OPERATIONS
from broker.http.openapi.parameters import QUERY
from broker.settings import BrokerSettings
from policies import PolicySettings

SERVER = "https://broker.example"
_SEGMENT = re.compile(r"\{[^}]*\}")


def routes() -> set[tuple[str, str]]:
    """Give method and path, with nameless parameters, of every route of the NGSI-LD API."""
    app = create_app(BrokerSettings(), PolicySettings())
    assert isinstance(app, Hot)
    return {
        (method, _SEGMENT.sub("{}", path))
        for path, operations in app.app.openapi()["paths"].items()
        if path.startswith(answers.BASE)
        for method in operations
    }


def test_document_is_valid() -> None:
    """It follows the OpenAPI 3.1 schema."""
    found = document(SERVER)
    OpenAPIV31SpecValidator(found).validate()
    assert found["openapi"] == "3.1.0"
    assert found["servers"] == [{"url": SERVER}]


def test_document_has_every_route_and_no_other() -> None:
    """Route by route."""
    described = {
        (method, _SEGMENT.sub("{}", path))
        for path, operations in document(SERVER)["paths"].items()
        for method in operations
    }
    assert described == routes()


def test_operation_ids_are_unique() -> None:
    """A generated client names its functions by them."""
    ids = [operation.id for operation in OPERATIONS]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_every_parameter_is_described(operation: object) -> None:
    """What an operation takes has a description and a schema."""
    query = getattr(operation, "query", ())
    assert set(query) <= QUERY.keys()
