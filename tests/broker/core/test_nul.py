"""U+0000 in documents: found wherever it stands, and only there."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from broker.core.nul import where_nul


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"a": {"b": [1, {"c": "x\0y"}]}}, "a.b[1].c"),
        ({"a": {"b\0": 1}}, "a.b\\u0000"),
        (["\0"], "[0]"),
        ("\0", ""),
        ({"a": "\\u0000", "b": "\x01"}, None),
        ({"a": [None, True, 1.5]}, None),
    ],
)
def test_where_it_stands(document: Any, place: str | None) -> None:
    assert where_nul(orjson.dumps(document), document) == place
