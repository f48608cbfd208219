"""Topic names, settings and keys."""

from __future__ import annotations

import pytest

from broker.core import topics
from broker.core.topics import Topic


def test_names() -> None:
    assert topics.records("gbfs-baywheels") == "feeds.gbfs-baywheels.records"
    assert topics.entities("mobility") == "entities.mobility"
    assert topics.dead("gbfs-baywheels") == "dead.gbfs-baywheels"
    assert topics.prefixed(topics.CHANGES, "t1-") == "t1-changes"
    assert topics.prefixed("notifier") == "notifier"


@pytest.mark.parametrize("name", ["", "A", "a_b", "a.b", "-a", "a--b", "a b", "é"])
def test_names_that_kafka_or_we_do_not_take(name: str) -> None:
    for make in (topics.records, topics.entities, topics.dead):
        with pytest.raises(ValueError, match="cannot name a topic"):
            make(name)


def test_keys_go_in_and_out() -> None:
    key = topics.key("default", "urn:x:straße")
    assert key == b"default\0urn:x:stra\xc3\x9fe"
    assert topics.split_key(key) == ("default", "urn:x:straße")
    with pytest.raises(ValueError, match="without NUL"):
        topics.split_key(b"default")


def test_every_topic_of_a_city() -> None:
    day = 86_400_000
    assert topics.specs(["f"], ["air"], partitions=3, raw_days=2, prefix="p-") == [
        Topic("p-changes", 3, 3 * day),
        Topic("p-control.optouts", 1, None),
        Topic("p-dead.f", 1, 30 * day),
        Topic("p-dead.unknown", 1, 30 * day),
        Topic("p-entities.air", 3, 7 * day),
        Topic("p-feeds.f.records", 3, 2 * day),
    ]
    assert Topic("x", 1, None).config == {"cleanup.policy": "compact"}
    assert Topic("x", 1, 5).config == {"cleanup.policy": "delete", "retention.ms": "5"}
