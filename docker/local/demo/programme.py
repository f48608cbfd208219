"""The demo's scenes in their order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from docker.local.demo.ingest import feeds_in
from docker.local.demo.reads import (
    narrowed_for_research,
    notified,
    open_to_all,
    read_under_licence,
    refused_for_marketing,
)
from docker.local.demo.scene import Scene
from docker.local.demo.verdicts import lapse_and_recovery, verdicts

__all__ = ["SCENES"]

SCENES: tuple[tuple[str, Callable[[Scene], Awaitable[None]]], ...] = (
    ("Departments publish: feeds through Kafka into the broker", feeds_in),
    ("A subscriber is notified", notified),
    ("A vendor reads under licence", read_under_licence),
    ("The same read for another purpose", refused_for_marketing),
    ("A researcher reads the same data", narrowed_for_research),
    ("The public reads", open_to_all),
    ("Which domains have reached governed readiness", verdicts),
    ("A feed stops, and comes back", lapse_and_recovery),
)
