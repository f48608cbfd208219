"""Checkpoints of the log: signed notes of c2sp.org (tlog-checkpoint, signed-note) with Ed25519."""

from __future__ import annotations

import hashlib
import os
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = ["Checkpoint", "LogKey", "NoteError", "open_note"]

_ED25519 = b"\x01"


class NoteError(ValueError):
    """The note is malformed, of another log, or not signed by the key."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log's size and root at one moment."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Write the note's text."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


class LogKey:
    """The log's signing key; its name is the log's origin."""

    def __init__(self, origin: str, key: Ed25519PrivateKey) -> None:
        self.origin = origin
        self._key = key
        self._public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self._id = _key_id(origin, self._public)

    @classmethod
    def load(cls, origin: str, path: Path) -> LogKey:
        """Read the key from its file (PEM), making it if there is none."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            pem = Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(pem)
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"{path} holds no Ed25519 key; restore the log's own key")
        return cls(origin, key)

    @property
    def vkey(self) -> str:
        """The verifier key, as signed notes have it: name+id+key."""
        return f"{self.origin}+{self._id.hex()}+{b64encode(_ED25519 + self._public).decode()}"

    def sign(self, size: int, root: bytes) -> str:
        """Sign a checkpoint; the whole note."""
        text = Checkpoint(self.origin, size, root).text()
        signature = b64encode(self._id + self._key.sign(text.encode())).decode()
        return f"{text}\n— {self.origin} {signature}\n"


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def open_note(note: str, vkey: str) -> Checkpoint:
    """Check a note's signature by the verifier key and read its checkpoint. Raises NoteError."""
    name, key_id, encoded = vkey.split("+", 2)
    public = b64decode(encoded)[1:]
    text, separator, signatures = note.rpartition("\n\n")
    text += "\n"
    if not separator or _key_id(name, public).hex() != key_id:
        raise NoteError("the note has no signature, or the verifier key is malformed")
    lines = text.splitlines()
    if len(lines) < 3 or lines[0] != name or not lines[1].isascii() or not lines[1].isdigit():
        raise NoteError(f"the note is no checkpoint of {name}")
    for line in signatures.splitlines():
        dash, _, rest = line.partition(" ")
        signer, _, value = rest.partition(" ")
        raw = b64decode(value, validate=True)
        if dash == "—" and signer == name and raw[:4].hex() == key_id:
            try:
                Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], text.encode())
            except InvalidSignature as error:
                raise NoteError("the signature does not match the text") from error
            return Checkpoint(name, int(lines[1]), b64decode(lines[2], validate=True))
    raise NoteError(f"the note is not signed by {name}")
