"""A domain's verdict as a badge (SVG): words and a mark, so that it does not rest on colour alone."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from catalog.portal.view import DomainView

__all__ = ["badge"]

_HEIGHT = 22
_CHAR = 6.6  # mean width of a character at 11 px; text is fitted with textLength, so viewers' fonts do not matter


def badge(view: DomainView) -> bytes:
    """The badge of a domain as it stands now."""
    left, right = view.title, "✓ governed" if view.governed else f"not yet: {len(view.verdict.failing) or 'no'} open"
    if not view.governed and not view.gates:
        right = "not assessed"
    a, b = round(len(left) * _CHAR) + 16, round(len(right) * _CHAR) + 16
    colour = "#1a6b45" if view.governed else "#7a4a00"
    said = f"{left}: {'at governed readiness' if view.governed else 'not yet at governed readiness'}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{a + b}" height="{_HEIGHT}" role="img" '
        f"aria-label={quoteattr(said)}>",
        f"<title>{escape(said)}. {escape(view.verdict.reason)}</title>",
        f'<rect width="{a + b}" height="{_HEIGHT}" rx="4" fill="#26313c"/>',
        f'<path d="M{a} 0h{b - 4}a4 4 0 0 1 4 4v{_HEIGHT - 8}a4 4 0 0 1-4 4h-{b - 4}z" fill="{colour}"/>',
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">',
        f'<text x="8" y="15" textLength="{a - 16}" lengthAdjust="spacingAndGlyphs">{escape(left)}</text>',
        f'<text x="{a + 8}" y="15" textLength="{b - 16}" lengthAdjust="spacingAndGlyphs">{escape(right)}</text>',
        "</g></svg>",
    ]
    return "".join(parts).encode()
