"""The query AST as SQL over a tenant's `entities` table."""

from __future__ import annotations

from dataclasses import dataclass

from broker.core.query import Node

__all__ = ["Compiled", "compile_where"]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A boolean SQL expression and its parameters: `$start` is `params[0]`. It needs no joins and never raises on data."""

    sql: str
    params: list[object]


def compile_where(node: Node, start: int = 1, alias: str = "e") -> Compiled:
    """Compile a condition on the row `alias` of `entities`; its parameters are numbered from `start`.

    The expression is never NULL. Parameters are str, int, float, bytes, datetime or list[str]; each is cast in the SQL.
    Fragments compose: the next one starts at `start + len(params)`.
    """
    raise NotImplementedError
