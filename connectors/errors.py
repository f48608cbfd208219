"""Errors of the connectors: a wrong declaration, and a record that cannot be taken."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FeedError", "Rejected", "Rejection"]


class FeedError(Exception):
    """A feed's declaration or setting is wrong; the text names file, member and remedy."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a record, or one entity of it, was not taken. Carries no value of the record."""

    stage: str
    rule: str
    field: str
    suggestion: str


class Rejected(Exception):
    """Raised inside a stage for the record at hand; caught by the pipeline and written to the feed's dead letters."""

    def __init__(self, rule: str, field: str, suggestion: str, stage: str = "map") -> None:
        super().__init__(f"{stage}: {rule} at {field or 'record'}: {suggestion}")
        self.rejection = Rejection(stage, rule, field, suggestion)
