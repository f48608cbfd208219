"""The inputs that the list of recorded data names, and the feeds that read them."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

from connectors.feed import Feed, FileSource, load
from connectors.settings import ConnectorSettings
from docker.local.stack import ROOT
from tests.connectors.recorded import FORMATS
from tests.connectors.recorded_sources import SOURCES
from tests.connectors.whole import Portion, files

__all__ = ["KEY", "NOT_INPUT", "SPARKPLUG", "inputs", "portions", "read_by"]

GROUPS = frozenset(
    {
        "transit", "open311", "timeseries", "parking_mobility", "sensorthings", "lorawan_mqtt", "geo3d", "wot",
        "opcua_onem2m",
    }
)  # fmt: skip
NOT_INPUT = {
    r"lorawan_mqtt/lorawan/[^/]+/[^/]+/result[^/]*\.json": "what an uplink decodes to (decoders/test_lorawan.py)",
    r"wot/td-context-1\.1\.jsonld": "the @context that Thing Descriptions name",
}
SPARKPLUG = ("NBIRTH_V1", "NDATA_V1", "NDEATH_V1", "NBIRTH_LARGE")
KEY = "recorded-data-test-key-0123456789ab"
_CITY = ROOT / "city"
_UPLINKS = {
    "bosch-parking": "Bosch_*", "decentlab-atm41": "*_DL-ATM41", "decentlab-pm": "*_DL-PM",
    "decentlab-tbrg": "*_DL-TBRG", "milesight": "Milesight_*", "tektelic-kiwi": "Tektelic_*",
}  # fmt: skip
_NETWORKS = {"chirpstack": "[CH][hT]*", "loriot": "LORIOT", "thingpark": "ThingPark*", "tts": "ThingsStack*"}


def inputs(data: Path) -> list[str]:
    """List the files of the manifest that feeds are to read."""
    with (data / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        named = [row["file"] for row in csv.DictReader(file)]
    return [
        one
        for one in named
        if one.split("/")[0] in GROUPS and not any(re.fullmatch(pattern, one) for pattern in NOT_INPUT)
    ]


def read_by(found: Sequence[Portion], data: Path) -> dict[str, list[str]]:
    """Give the feeds that read each file of the folder."""
    readers: dict[str, list[str]] = {}
    for portion in found:
        for feed in portion.feeds:
            read = files(feed) if isinstance(feed.source, FileSource) else []
            if feed.feed == "sparkplug":
                read = [data / "lorawan_mqtt" / "sparkplug_b" / f"{one}.bin" for one in SPARKPLUG]
            for path in read:
                readers.setdefault(str(path.relative_to(data)), []).append(feed.feed)
    return readers


def portions(data: Path, folder: Path, prefix: str = "", **members: object) -> list[Portion]:
    """Load every feed over recorded data: protocols, formats, and two of the sample city."""
    environment = {"DATAPOLIS_DATA": str(data)}

    def settings(city: Path) -> ConnectorSettings:
        given = {"city": city, "state": folder / "state" / city.name, "topic_prefix": prefix, "quality_interval": 3600,
                 "session_ms": 60_000}  # fmt: skip
        keys = {"requests": SecretStr(KEY)}
        return ConnectorSettings.model_validate({**given, "domain_keys": keys, "egress_allow": "127.0.0.0/8"} | members)

    city = folder / "protocols"
    (city / "feeds").mkdir(parents=True)
    shutil.copy(SOURCES / "context.jsonld", city)
    protocols = [load(path, environment) for path in sorted((SOURCES / "feeds").glob("*.yaml"))]
    protocols += _uplinks(data, city / "feeds")
    (city / "feeds" / "sparkplug.yaml").write_text((SOURCES / "sparkplug.yaml").read_text().replace("GROUP", prefix))
    protocols.append(load(city / "feeds" / "sparkplug.yaml"))
    formats = [load(path, environment) for path in sorted((FORMATS / "feeds").glob("*.yaml"))]
    sample = [load(_CITY / "feeds" / f"{one}.yaml", environment) for one in ("nyc-311", "valencia-air")]
    return [
        Portion(settings(city), tuple(protocols)),
        Portion(settings(FORMATS), tuple(formats)),
        Portion(settings(_CITY), tuple(sample)),
    ]


def _uplinks(data: Path, folder: Path) -> list[Feed]:
    text = (SOURCES / "lorawan.yaml").read_text(encoding="utf-8")
    found = []
    for codec, device in _UPLINKS.items():
        for network, server in _NETWORKS.items():
            where = f"{data}/lorawan_mqtt/lorawan/{device}/{server}"
            if not list(Path(data).glob(f"lorawan_mqtt/lorawan/{device}/{server}/payload*.json")):
                continue
            name = f"lorawan-{codec}-{network}"
            path = folder / f"{name}.yaml"
            said = text.replace("feed: lorawan", f"feed: {name}").replace("${FOLDER}", where)
            path.write_text(said.replace("NETWORK", network).replace("CODEC", codec))
            found.append(load(path, {}))
    return found
