"""Errors of the connectors: a wrong declaration, and a record that cannot be taken."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FeedError", "Rejected", "Rejection", "Unreachable"]


class FeedError(Exception):
    """A feed's declaration or setting is wrong; the text names file, member and remedy."""


class Unreachable(Exception):
    """A source did not give what could be used; the text says why. `retry_s`: how long it asked to be left alone."""

    def __init__(self, text: str, retry_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_s = retry_s


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
