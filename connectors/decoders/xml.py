"""XML documents: one record per repeated element, as nested objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from connectors.decoders.decoded import Decoded
from connectors.decoders.tree import Node, elements
from connectors.specs.formats import XmlDecoder

__all__ = ["as_object", "decode_xml"]


def decode_xml(stream: BinaryIO, name: str, spec: XmlDecoder) -> Iterator[Decoded]:
    """Yield a record per element whose path ends like `spec.record`. The position is `<name>#<n>`, from 0."""
    tail = spec.record.strip("/").split("/")
    found = elements(stream, lambda path: path[-len(tail) :] == tail, spec.max_record, spec.max_depth)
    for at, node in enumerate(found):
        value = as_object(node)
        yield Decoded(f"{name}#{at}", value if isinstance(value, dict) else {"#": value} if value else {})


def as_object(node: Node) -> dict[str, Any] | str | None:
    """Turn an element into text, or an object of attributes (`@name`), text (`#`) and children; repeats are lists."""
    if not node.attributes and not node.children:
        return node.text or None
    found: dict[str, Any] = {f"@{name}": value for name, value in node.attributes.items()}
    if node.text:
        found["#"] = node.text
    repeated: set[str] = set()
    for child in node.children:
        value = as_object(child)
        if value is None:
            continue
        if child.name in repeated:
            found[child.name].append(value)
        elif child.name in found:
            found[child.name] = [found[child.name], value]
            repeated.add(child.name)
        else:
            found[child.name] = value
    return found
