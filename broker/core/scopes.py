"""Scopes as regular expressions that PostgreSQL and Python read alike (CIM 009 V1.9.1, 4.18, 4.19)."""

from __future__ import annotations

import re

__all__ = ["is_plain", "scope_expression"]


def is_plain(pattern: str) -> bool:
    """Say whether a scope query item holds no wildcard."""
    return not any(level in ("+", "#") for level in pattern.split("/"))


def scope_expression(pattern: str) -> str:
    """Return the expression that a whole scope must match; the scope's first slash may be missing (4.18)."""
    levels = pattern.removeprefix("/").split("/")
    if levels == ["#"]:
        return ".+"
    below = levels[-1] == "#"
    named = levels[:-1] if below else levels
    found = "/".join("[^/]+" if level == "+" else re.escape(level) for level in named)
    return f"/?{found}(/.*)?" if below else f"/?{found}"
