"""Drafts of declarations: from a sample file, or from a Thing Description, to YAML that a person reads and corrects."""

from __future__ import annotations

from connectors.draft.city import ask_for_domain, time_zone, write_draft
from connectors.draft.sample import Draft, draft_sample
from connectors.draft.thing import draft_thing

__all__ = ["Draft", "ask_for_domain", "draft_sample", "draft_thing", "time_zone", "write_draft"]
