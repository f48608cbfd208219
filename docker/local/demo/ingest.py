"""Scene 1: feeds in. Records received, mapped, rejected with the reason, entities stored."""

from __future__ import annotations

import time
from typing import Any

from docker.local.demo.client import until
from docker.local.demo.scene import Scene, must

__all__ = ["feeds_in"]

_QUIET_S = 5.0
_LONGEST_S = 300.0
_FLOWING = 200  # live feeds always have a few records on their way


async def feeds_in(scene: Scene) -> None:
    """Wait until the recorded feeds are read to their ends and stored; then show the counts."""
    began = time.monotonic()
    last: tuple[int, int] = (-1, -1)
    since = began

    async def settled() -> dict[str, dict[str, Any]] | None:
        nonlocal last, since
        domains = await scene.readiness()
        waiting = await scene.waiting()
        feeds = [one for each in domains.values() for one in each["feeds"]]
        entities = sum(int(each["entities"] or 0) for each in domains.values())
        received = sum(int(one["received"] or 0) for one in feeds)
        scene.show.progress(f"{received:,} records received, {entities:,} entities stored, {waiting:,} changes waiting")
        recorded = sum(int(one["received"] or 0) for one in feeds if one["feed"] not in scene.live)
        complete = bool(feeds) and all(
            one["received"] and one["received"] == one["mapped"] + one["rejected"] for one in feeds
        )
        now = (recorded, entities)
        if now != last or not complete or waiting > _FLOWING:
            last, since = now, time.monotonic()
            return None
        return domains if time.monotonic() - since > _QUIET_S else None

    domains = await until("every feed delivers and nothing is waiting", settled, _LONGEST_S, 1.0)
    rows = [(one, name) for name, each in sorted(domains.items()) for one in each["feeds"]]
    scene.show.table(
        ["feed", "domain", "received", "mapped", "rejected", "status"],
        [(one["feed"], name, one["received"], one["mapped"], one["rejected"], one["status"]) for one, name in rows],
    )
    for feed, rules in (await scene.rejections([one["feed"] for one, _ in rows])).items():
        for rule, count in rules.most_common():
            scene.show.note(f"{feed}: {count:,} rejected by rule {rule}")
    stored = {kind: int(count) for each in domains.values() for kind, count in each["counts"].items()}
    terms = await scene.terms()
    scene.show.table(["stored as", "entities"], sorted((terms.get(kind, kind), n) for kind, n in stored.items()))
    counts = {name: sum(int(one[name]) for one, _ in rows) for name in ("received", "mapped", "rejected")}
    must(counts["mapped"] > 0 and sum(stored.values()) > 0, "records are mapped and stored", counts)
    scene.figures["counts"] = {**counts, "stored": sum(stored.values())}
    scene.figures["seconds"]["ingest"] = round(time.monotonic() - began, 1)
    scene.show.good(f"{counts['received']:,} records in, each stored or rejected with its reason")
