"""Verdicts are signed with a key that is made once, and a changed statement is found."""

from __future__ import annotations

import stat
from base64 import urlsafe_b64encode
from pathlib import Path

import orjson
import pytest

from catalog.readiness import assess
from catalog.sign import SignatureError, VerdictKey, opened
from tests.catalog.samples import NOW, SOURCES, harvest

VERDICT = assess(harvest(), NOW, SOURCES, 900.0)


def test_a_signed_verdict_opens_with_its_key(tmp_path: Path) -> None:
    """All that the verdict says is signed; the key is made once, for its owner's eyes alone."""
    path = tmp_path / "state" / "readiness.key"
    key = VerdictKey.load(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert VerdictKey.load(path).kid == key.kid
    assert [p.name for p in path.parent.iterdir()] == ["readiness.key"]
    said = opened(key.sign(VERDICT, 7), [key.jwk])
    assert (said["domain"], said["version"], said["status"], said["failing"]) == ("mobility", 7, "governed", [])
    assert [g["gate"] for g in said["gates"]] == [e.gate for e in VERDICT.gates]
    assert "d" not in key.jwk


def test_what_was_changed_or_signed_by_another_does_not_open(tmp_path: Path) -> None:
    """A changed body, a changed signature, an unknown key, another algorithm and no JWS at all."""
    key, other = VerdictKey.load(tmp_path / "a"), VerdictKey.load(tmp_path / "b")
    jws = key.sign(VERDICT, 1)
    head, _, mark = jws.split(".")
    lie = urlsafe_b64encode(orjson.dumps({"domain": "mobility"})).rstrip(b"=").decode()
    none = urlsafe_b64encode(orjson.dumps({"alg": "none", "kid": key.kid})).rstrip(b"=").decode()
    for wrong, why in (
        (f"{head}.{lie}.{mark}", "the signature does not match what it signs"),
        (f"{jws[:-6]}AAAAAA", "the signature does not match what it signs"),
        (other.sign(VERDICT, 1), "is not among those that are published"),
        (f"{none}.{lie}.", "it is not signed with EdDSA"),
        ("nonsense", "it is no compact JWS"),
        ("", "it is no compact JWS"),
    ):
        with pytest.raises(SignatureError, match=why):
            opened(wrong, [key.jwk])


def test_a_file_that_holds_no_such_key_is_refused(tmp_path: Path) -> None:
    """It is never replaced: what was signed with it would not verify any more."""
    path = tmp_path / "readiness.key"
    path.write_text("no key")
    with pytest.raises(ValueError, match=r"."):
        VerdictKey.load(path)
    assert path.read_text() == "no key"
