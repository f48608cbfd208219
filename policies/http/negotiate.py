"""Choose a representation from an Accept header (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["choose"]


def choose(accept: str | None, offered: Sequence[str]) -> str | None:
    """The offered media type that the client likes best; None: not acceptable.

    A more specific range outweighs a general one whatever their order. Of types that are liked alike, one that is named
    goes before one that a wildcard admits (`application/json, */*`), then the server's order decides. A range that
    cannot be read is passed over.
    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [r for part in accept.split(",") if (r := _range(part)) is not None]
    liked = [(*_quality(media, ranges), -place) for place, media in enumerate(offered)]
    q, _, place = max(liked)
    return offered[-place] if q > 0 else None


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


def _quality(media: str, ranges: Sequence[tuple[str, str, float]]) -> tuple[float, int]:
    """How much a type is liked (0 to 1), and how closely it is named: 2 in full, 1 by `type/*`, 0 by `*/*`."""
    kind, _, sub = media.partition("/")
    found, specific = 0.0, -1
    for r_kind, r_sub, q in ranges:
        level = 2 if (r_kind, r_sub) == (kind, sub) else 1 if (r_kind, r_sub) == (kind, "*") else 0
        if level == 0 and (r_kind, r_sub) != ("*", "*"):
            continue
        if level > specific:
            found, specific = q, level
    return found, specific
