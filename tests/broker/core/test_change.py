"""The change event."""

from __future__ import annotations

import orjson
import pytest

from broker.core import change
from broker.core.change import AttrChange, ChangeEvent, Members, MembersChange
from broker.core.patch import AttrPatch

EVENT = ChangeEvent(
    id="default/urn:x:1/17",
    tenant="default",
    entity="urn:x:1",
    types=("https://a.example/T",),
    version=17,
    at="2026-01-01T00:00:00.000000Z",
    op="updated",
    attrs=(
        AttrChange("https://a.example/t", "", {"type": "Property", "value": 1}, {"type": "Property", "value": 2}),
        AttrChange("https://a.example/s", "urn:d:1", None, {"type": "Property", "value": 2, "datasetId": "urn:d:1"}),
    ),
    cause="ingest:feed",
)


def test_it_goes_out_and_in() -> None:
    assert change.parse(change.serialise(EVENT)) == EVENT


def test_the_write_path_writes_the_same_from_texts() -> None:
    patches = [
        AttrPatch(
            one.name,
            one.datasetId,
            *(None if v is None else " " + orjson.dumps(v).decode() for v in (one.was, one.now)),
        )
        for one in EVENT.attrs
    ]
    written = change.payload(
        EVENT.tenant, EVENT.entity, EVENT.types, EVENT.version, EVENT.at, EVENT.op, patches, EVENT.cause
    )
    assert change.parse(written) == EVENT
    assert orjson.loads(written) == orjson.loads(change.serialise(EVENT))


def test_texts_are_put_together_as_one_dump_would_write_them() -> None:
    name, text = 'https://a.example/"\\x', '{"type":"Property","value":"\\u0001"}'
    patches = [AttrPatch(name, "urn:d:1", None, text), AttrPatch("https://a.example/t", "", " " + text, None)]
    written = change.payload("t", "urn:x:ü", ["https://a.example/T"], 3, EVENT.at, "deleted", patches, 'http:"1"')
    whole = {
        "v": 1,
        "id": "t/urn:x:ü/3",
        "tenant": "t",
        "entity": "urn:x:ü",
        "types": ["https://a.example/T"],
        "version": 3,
        "at": EVENT.at,
        "op": "deleted",
        "attrs": [
            {"name": one.name, "datasetId": one.dataset_id, "was": _text(one.was), "now": _text(one.now)}
            for one in patches
        ],
        "cause": 'http:"1"',
    }
    assert written == orjson.dumps(whole)


def _text(text: str | None) -> orjson.Fragment | None:
    return None if text is None else orjson.Fragment(text)


def test_the_wire_form() -> None:
    assert set(orjson.loads(change.serialise(EVENT))) == {
        "v", "id", "tenant", "entity", "types", "version", "at", "op", "attrs", "cause"
    }  # fmt: skip


@pytest.mark.parametrize("data", [b"{}", b"[]", b"5", b"x", b'{"v":1,"attrs":[{}]}'])
def test_what_is_none(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        change.parse(data)


def test_types_and_scopes_go_along_where_they_change() -> None:
    was, now = Members(("https://a.example/T",), ("/a", "/b")), Members(("https://a.example/T", "https://a.example/U"))
    written = change.payload("t", "urn:x:1", now.type, 3, EVENT.at, "updated", [], "", change.moved(was, now))
    assert orjson.loads(written)["members"] == {
        "was": {"type": ["https://a.example/T"], "scope": ["/a", "/b"]},
        "now": {"type": ["https://a.example/T", "https://a.example/U"], "scope": None},
    }
    event = change.parse(written)
    assert event.members == MembersChange(was, now)
    assert change.parse(change.serialise(event)) == event
    gone = change.payload("t", "urn:x:1", was.type, 4, EVENT.at, "deleted", [], "", change.moved(was, None))
    assert change.parse(gone).members == MembersChange(was, None)


def test_an_unknown_version_is_refused() -> None:
    raw = orjson.loads(change.serialise(EVENT)) | {"v": 2}
    with pytest.raises(ValueError, match="only 1 is known"):
        change.parse(orjson.dumps(raw))
