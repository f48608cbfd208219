"""The query AST on one entity, in memory: the same answers as `broker.store.compile` gives in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from broker.core.entity import Doc
from broker.core.query import Node

__all__ = ["Meta", "matches"]


@dataclass(frozen=True, slots=True)
class Meta:
    """The system times of a document: its own (canonical text) and those of its instances, as the column `meta` has them."""

    created_at: str | None = None
    modified_at: str | None = None
    attrs: Mapping[str, Mapping[str, Sequence[Any]]] = field(default_factory=dict)


def matches(node: Node, doc: Doc, meta: Meta | None = None) -> bool:
    """Say whether the entity meets the condition. Without `meta`, createdAt and modifiedAt are absent."""
    raise NotImplementedError
