"""Declarations of decoders that belong to a protocol rather than to a file format."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from connectors.specs.closed import Closed

__all__ = [
    "GbfsDecoder",
    "GtfsDecoder",
    "GtfsRtDecoder",
    "LorawanDecoder",
    "NgsiDecoder",
    "OneM2MDecoder",
    "ProtocolDecoder",
    "SenmlDecoder",
    "SparkplugDecoder",
]

Codec = Literal[
    "bosch-parking", "decentlab-atm41", "decentlab-pm", "decentlab-tbrg", "milesight", "network", "tektelic-kiwi"
]


class GtfsDecoder(Closed):
    """A GTFS archive: rows of some of its tables, each with the member `table` and its values as text."""

    kind: Literal["gtfs"]
    tables: tuple[str, ...] = Field(min_length=1, description="e.g. stops, routes, trips, stop_times; in this order")
    max_expanded: int = Field(default=1_000_000_000, gt=0, description="bytes of one table, decompressed, at most")


class GtfsRtDecoder(Closed):
    """A GTFS-Realtime message (protobuf): vehicle positions, trip updates (whole or stop by stop) or alerts."""

    kind: Literal["gtfs-rt"]
    entity: Literal["vehicle", "trip_update", "stop_time", "alert"] = "vehicle"
    language: str | None = Field(default=None, description="of alert texts; else the first there is")
    max_entities: int = Field(default=100_000, gt=0)


class GbfsDecoder(Closed):
    """A GBFS file of version 1, 2 or 3: one record per item, with version 3's names and RFC 3339 times, and `file`."""

    kind: Literal["gbfs"]
    language: str | None = Field(default=None, description="of names that come in several; else the first there is")
    max_records: int = Field(default=100_000, gt=0)


class LorawanDecoder(Closed):
    """A network server's uplink; `codecs` maps device profile, name or id (glob) to a payload codec."""

    kind: Literal["lorawan"]
    network: Literal["chirpstack", "tts", "loriot", "thingpark"]
    codecs: dict[str, Codec] = Field(min_length=1)


class SenmlDecoder(Closed):
    """SenML (RFC 8428) in JSON: resolved records, or one per time and name stem (`pack`)."""

    kind: Literal["senml"]
    pack: bool = Field(default=False, description="gather the measurements of one base name and time in one record")
    max_records: int = Field(default=10_000, gt=0)


class SparkplugDecoder(Closed):
    """Sparkplug B payloads (protobuf) of topics `spBv1.0/...`: births, data, deaths; aliases are resolved by births."""

    kind: Literal["sparkplug-b"]
    max_metrics: int = Field(default=10_000, gt=0)


class NgsiDecoder(Closed):
    """A notification of an NGSI-LD or NGSIv2 broker: one record per entity, its attributes' values by plain name."""

    kind: Literal["ngsi"]
    max_entities: int = Field(default=10_000, gt=0)


class OneM2MDecoder(Closed):
    """A oneM2M notification or resource, JSON or XML: the resource in short names, `content` its decoded content."""

    kind: Literal["onem2m"]


ProtocolDecoder = (
    GtfsDecoder
    | GtfsRtDecoder
    | GbfsDecoder
    | LorawanDecoder
    | SenmlDecoder
    | SparkplugDecoder
    | NgsiDecoder
    | OneM2MDecoder
)
"""The decoders declared here."""
