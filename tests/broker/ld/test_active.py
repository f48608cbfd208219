"""What is kept of contexts: those of users hold the core one's definitions, not copies of them."""

from __future__ import annotations

from broker.ld.active import Active


def test_users_contexts_share_what_the_core_says() -> None:
    one, other = Active([{"speed": "https://one.example/speed"}]), Active([{"speed": "https://other.example/speed"}])
    assert one.mappings["speed"]["@id"] == "https://one.example/speed"
    assert other.mappings["speed"]["@id"] == "https://other.example/speed"
    assert {name for name, said in one.mappings.items() if other.mappings[name] is not said} == {"speed"}
    alike = [iri for iri, said in one.inverse.items() if other.inverse.get(iri) is said]
    assert len(alike) == len(one.inverse) - 1 == len(other.inverse) - 1 > 100
