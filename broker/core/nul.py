"""U+0000: JSON may say it, PostgreSQL cannot hold it, so a document with it is refused whole."""

from __future__ import annotations

from typing import Any

__all__ = ["where_nul"]


def where_nul(raw: bytes, data: Any) -> str | None:
    """Return where in a JSON document U+0000 stands (`a.b[2]`), or None. `data` is what `raw` was parsed to.

    A document without its escape in the bytes, nearly every one, is not walked.
    """
    if b"\\" not in raw or b"\\u0000" not in raw:  # looking for one byte is many times quicker
        return None
    found = _walk(data)
    return found.lstrip(".") if found is not None else None


def _walk(value: Any) -> str | None:
    if isinstance(value, str):
        return "" if "\0" in value else None
    if isinstance(value, dict):
        for name, member in value.items():
            if "\0" in name:
                return f".{_shown(name):.60}"
            found = _walk(member)
            if found is not None:
                return f".{name}{found}"
    elif isinstance(value, list):
        for at, member in enumerate(value):
            found = _walk(member)
            if found is not None:
                return f"[{at}]{found}"
    return None


def _shown(name: str) -> str:
    return name.replace("\0", "\\u0000")
