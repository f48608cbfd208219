"""GTFS-Realtime: recorded messages, what is no vehicle, and damage."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from google.transit import gtfs_realtime_pb2 as gtfs

from connectors.decoders.gtfs_rt import decode_gtfs_rt
from connectors.feed import GtfsRtDecoder
from docker.local.simulators.fleet import BUILT_IN, routes_of, vehicle_positions

SPEC = GtfsRtDecoder(kind="gtfs-rt")


def test_recorded_king_county(data: Path | None) -> None:
    if data is None:
        pytest.skip("no recorded data (DATAPOLIS_DATA)")
    raw = (data / "transit" / "gtfs-rt" / "king-county-metro-vehicle-positions-1.pb").read_bytes()
    found = list(decode_gtfs_rt(io.BytesIO(raw), "kcm", SPEC))
    assert len(found) == 627
    assert all(one.rejection is None for one in found)
    assert found[0].position == "kcm#0"
    assert found[0].record == {
        "id": "1630596716_4382", "feed_timestamp": 1630596716,
        "trip": {"trip_id": "49195152", "start_date": "20210902", "route_id": "100001", "direction_id": 0},
        "position": {"latitude": 47.636154, "longitude": -122.370354},
        "current_stop_sequence": 169, "timestamp": 1630596690, "stop_id": "2470",
        "vehicle": {"id": "4382", "label": "4382"},
    }  # fmt: skip
    statuses = [one.record.get("current_status") for one in found if one.record]
    assert {status: statuses.count(status) for status in set(statuses)} == {
        None: 621, "STOPPED_AT": 5, "INCOMING_AT": 1,
    }  # fmt: skip


def test_other_recorded_messages(data: Path | None) -> None:
    if data is None:
        pytest.skip("no recorded data (DATAPOLIS_DATA)")
    folder = data / "transit" / "gtfs-rt"
    bad = list(decode_gtfs_rt(io.BytesIO((folder / "invalid.pb").read_bytes()), "x", SPEC))
    assert [one.rejection.rule for one in bad if one.rejection] == ["protobuf"]
    empty = (folder / "hart-vehicle-positions-empty.pb").read_bytes()
    assert list(decode_gtfs_rt(io.BytesIO(empty), "x", SPEC)) == []
    updates = list(decode_gtfs_rt(io.BytesIO((folder / "bart-trip-updates.pb").read_bytes()), "x", SPEC))
    assert [one.rejection.rule for one in updates if one.rejection] == ["vehicle"] * 91


def test_bound_on_entities() -> None:
    raw = vehicle_positions(BUILT_IN, 5, 1_767_225_600)
    found = list(decode_gtfs_rt(io.BytesIO(raw), "x", GtfsRtDecoder(kind="gtfs-rt", max_entities=3)))
    assert [one.rejection.rule if one.rejection else "" for one in found] == ["", "", "", "records"]


def test_simulated_fleet_moves_along_its_routes(data: Path | None) -> None:
    routes = BUILT_IN
    if data is not None:
        routes = (*routes, *routes_of(data / "transit" / "gtfs" / "king_county_metro_subset.gtfs.zip"))
    one, two = (gtfs.FeedMessage.FromString(vehicle_positions(routes, 12, 1_767_225_600 + step)) for step in (0, 5))
    assert len(one.entity) == 12
    assert vehicle_positions(routes, 12, 1_767_225_600) == vehicle_positions(routes, 12, 1_767_225_600)
    moved = 0
    for first, second in zip(one.entity, two.entity, strict=True):
        assert 46.9 < first.vehicle.position.latitude < 48.4
        assert -123 < first.vehicle.position.longitude < -121
        assert 0 <= first.vehicle.position.bearing <= 360
        before, after = first.vehicle.position, second.vehicle.position
        moved += (before.latitude, before.longitude) != (after.latitude, after.longitude)
        assert abs(before.latitude - after.latitude) < 0.002
    assert moved == 12
