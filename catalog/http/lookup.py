"""What routes look up: the reader, a domain, a dataset; and how they answer with JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson
from fastapi import Request, Response

from catalog.catalogue import Reader, State
from catalog.dataset import Dataset
from catalog.http.problems import Problem
from catalog.portal.view import SHOWN, DomainView

__all__ = ["find_dataset", "find_view", "json_answer", "no_domain", "page_of", "reader_of"]


def reader_of(request: Request) -> Reader:
    """The application's reader of what is stored."""
    reader: Reader = request.app.state.reader
    return reader


def json_answer(body: Any) -> Response:
    """An answer that is asked for anew each time."""
    return Response(
        orjson.dumps(body), media_type="application/json", headers={"Cache-Control": "no-cache", "Vary": "Accept"}
    )


def find_view(state: State, domain: str) -> DomainView:
    """A domain as it stands now. Raises Problem 404."""
    view = state.view(domain, datetime.now(UTC))
    if view is None:
        raise no_domain(state, domain)
    return view


def find_dataset(state: State, domain: str, slug: str) -> Dataset:
    """A dataset of a domain. Raises Problem 404."""
    if domain not in state.datasets:
        raise no_domain(state, domain)
    if (found := state.find(f"{domain}/{slug}")) is not None:
        return found
    there = ", ".join(d.slug for d in state.datasets[domain][:SHOWN]) or "none yet"
    raise Problem(404, "not-found", "Not found", f"No dataset '{slug}' in domain {domain}; there are: {there}.")


def page_of(state: State, d: Dataset) -> str:
    """Where a dataset stands in the portal: on its domain's page, which shows so many at a time."""
    first = any(d.id == other.id for other in state.datasets[d.domain][:SHOWN])
    return f"/domains/{d.domain}{'' if first else f'?dataset={quote(d.slug)}'}#{d.slug}"


def no_domain(state: State, domain: str) -> Problem:
    """The problem of a domain that is not there."""
    there = ", ".join(list(state.datasets)[:20]) or "none yet"
    return Problem(404, "not-found", "Not found", f"No domain '{domain}'; there are: {there}.")
