"""A simulated bus fleet: where each bus is at a time, as a GTFS-Realtime message.

Positions are a pure function of the time, so a restart makes no bus jump. Routes follow shapes of a GTFS archive where
one is given, else way-points in Seattle written here.
"""

from __future__ import annotations

import bisect
import csv
import io
import math
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from google.transit import gtfs_realtime_pb2 as gtfs

__all__ = ["BUILT_IN", "Route", "routes_of", "vehicle_positions"]

Point = tuple[float, float]
_METRES = 111_320.0


@dataclass(frozen=True, slots=True)
class Route:
    """A line to drive along: latitude and longitude, with the metres from its start at each point."""

    name: str
    points: tuple[Point, ...]
    along: tuple[float, ...]

    @classmethod
    def of(cls, name: str, points: list[Point]) -> Route:
        """Measure a line."""
        along = [0.0]
        for one, two in pairwise(points):
            along.append(along[-1] + _distance(one, two))
        return cls(name, tuple(points), tuple(along))

    def at(self, metres: float) -> tuple[float, float, float]:
        """Return latitude, longitude and bearing at a distance from the start."""
        index = min(max(bisect.bisect_right(self.along, metres) - 1, 0), len(self.points) - 2)
        (lat1, lon1), (lat2, lon2) = self.points[index], self.points[index + 1]
        length = self.along[index + 1] - self.along[index]
        share = min(max((metres - self.along[index]) / length, 0.0), 1.0) if length else 0.0
        east = (lon2 - lon1) * math.cos(math.radians(lat1))
        bearing = math.degrees(math.atan2(east, lat2 - lat1)) % 360
        return lat1 + (lat2 - lat1) * share, lon1 + (lon2 - lon1) * share, bearing


def _distance(one: Point, two: Point) -> float:
    north = (two[0] - one[0]) * _METRES
    east = (two[1] - one[1]) * _METRES * math.cos(math.radians(one[0]))
    return math.hypot(north, east)


BUILT_IN: tuple[Route, ...] = (
    Route.of("100001", [(47.5992, -122.3279), (47.6032, -122.3311), (47.6097, -122.3377), (47.6154, -122.3471),
                        (47.6240, -122.3566), (47.6361, -122.3704)]),
    Route.of("100002", [(47.6097, -122.3377), (47.6148, -122.3285), (47.6190, -122.3208), (47.6232, -122.3127),
                        (47.6298, -122.3079)]),
    Route.of("100225", [(47.6062, -122.3321), (47.6205, -122.3493), (47.6479, -122.3497), (47.6619, -122.3422),
                        (47.6874, -122.3364), (47.7080, -122.3259)]),
    Route.of("100044", [(47.6685, -122.3843), (47.6617, -122.3545), (47.6613, -122.3300), (47.6610, -122.3130),
                        (47.6553, -122.3080)]),
)  # fmt: skip


def routes_of(archive: Path, most: int = 8) -> tuple[Route, ...]:
    """Read routes with their longest shape from a GTFS archive; at most so many, by route id."""
    with zipfile.ZipFile(archive) as opened:
        shapes: dict[str, list[tuple[int, Point]]] = defaultdict(list)
        for row in _rows(opened, "shapes.txt"):
            point = (float(row["shape_pt_lat"]), float(row["shape_pt_lon"]))
            shapes[row["shape_id"]].append((int(row["shape_pt_sequence"]), point))
        trips = {(row["route_id"], row["shape_id"]) for row in _rows(opened, "trips.txt")}
    found: dict[str, Route] = {}
    for route, shape in sorted(trips):
        points = [point for _, point in sorted(shapes.get(shape, []))]
        line = Route.of(route, points) if len(points) > 1 else None
        if line is not None and line.along[-1] > max(1_000.0, found[route].along[-1] if route in found else 0.0):
            found[route] = line
    return tuple(found[route] for route in sorted(found)[:most])


def _rows(archive: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    with archive.open(name) as raw:
        return list(csv.DictReader(io.TextIOWrapper(raw, "utf-8-sig")))


def vehicle_positions(routes: tuple[Route, ...], buses: int, now: float) -> bytes:
    """Write the fleet's GTFS-Realtime message for a time in seconds since 1970."""
    message = gtfs.FeedMessage()
    message.header.gtfs_realtime_version = "2.0"
    message.header.timestamp = int(now)
    for number in range(buses):
        route = routes[number % len(routes)]
        speed = 6.0 + number % 7
        length = route.along[-1]
        way = (now * speed + number * 997.0) % (2 * length)
        outward = way < length
        lat, lon, bearing = route.at(way if outward else 2 * length - way)
        entity = message.entity.add(id=f"bus-{number:02d}")
        vehicle = entity.vehicle
        vehicle.vehicle.id = vehicle.vehicle.label = f"bus-{number:02d}"
        vehicle.trip.trip_id = f"{route.name}-{number:02d}"
        vehicle.trip.route_id = route.name
        vehicle.position.latitude, vehicle.position.longitude = lat, lon
        vehicle.position.bearing = bearing if outward else (bearing + 180) % 360
        vehicle.position.speed = speed
        vehicle.current_status = gtfs.VehiclePosition.IN_TRANSIT_TO
        vehicle.timestamp = int(now)
    return message.SerializeToString()
