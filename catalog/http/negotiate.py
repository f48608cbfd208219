"""Choose a representation from an Accept header (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["choose"]


def choose(accept: str | None, offered: Sequence[str]) -> str | None:
    """The offered media type that the client likes best, the server's order deciding ties; None: not acceptable.

    A more specific range outweighs a general one whatever their order. A range that cannot be read is passed over.
    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [r for part in accept.split(",") if (r := _range(part)) is not None]
    best, best_q = None, 0.0
    for media in offered:
        q = _quality(media, ranges)
        if q > best_q:
            best, best_q = media, q
    return best


def _range(part: str) -> tuple[str, str, float] | None:
    """(type, subtype, q) of one media range; parameters other than q are not told apart."""
    media, *params = (p.strip() for p in part.split(";"))
    kind, slash, sub = media.lower().partition("/")
    if not slash or not kind or not sub or (kind == "*" and sub != "*"):
        return None
    q = 1.0
    for param in params:
        name, _, value = param.partition("=")
        if name.strip().lower() == "q":
            try:
                q = float(value)
            except ValueError:
                return None
    return kind, sub, min(max(q, 0.0), 1.0)


def _quality(media: str, ranges: Sequence[tuple[str, str, float]]) -> float:
    kind, _, sub = media.partition("/")
    found, specific = 0.0, -1
    for r_kind, r_sub, q in ranges:
        level = 2 if (r_kind, r_sub) == (kind, sub) else 1 if (r_kind, r_sub) == (kind, "*") else 0
        if level == 0 and (r_kind, r_sub) != ("*", "*"):
            continue
        if level > specific:
            found, specific = q, level
    return found
