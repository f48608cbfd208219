"""Ten thousand buses of twelve attributes, and the sample city with agreements to measure them under."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from broker.core.patch import Change
from broker.store.pool import Pool
from broker.store.write import apply
from docker.local.stack import ROOT
from tests.fixtures.postgres import Database

__all__ = ["COUNT", "PAGE", "SCHEMA", "city_of_buses", "fill", "ids_script", "vehicle"]

COUNT = 10_000
SCHEMA = "t_" + hashlib.sha256(b"default").hexdigest()[:16]
PAGE = "/ngsi-ld/v1/entities?type=https:%2F%2Fsmartdatamodels.org%2FdataModel.Transportation%2FVehicle&limit=100"
_T = "https://smartdatamodels.org/dataModel.Transportation/"
_LOCATION = "https://uri.etsi.org/ngsi-ld/location"
_SCRIPT = """
request = function()
  return wrk.format("GET", string.format("/ngsi-ld/v1/entities/urn:ngsi-ld:Vehicle:%05d", math.random(0, {last})))
end
"""


def vehicle(number: int, chance: random.Random) -> dict[str, Any]:
    """Make a bus in the centre: 12 attributes, about 1.5 kB."""
    found: dict[str, Any] = {
        "id": f"urn:ngsi-ld:Vehicle:{number:05}",
        "type": [_T + "Vehicle"],
        _T + "vehicleType": {"type": "Property", "value": "bus"},
        _T + "speed": {"type": "Property", "value": chance.randint(0, 60), "observedAt": "2026-11-22T05:59:00Z"},
        _T + "bearing": {"type": "Property", "value": chance.randint(0, 359), "observedAt": "2026-11-22T05:59:00Z"},
        _T + "fleetVehicleId": {"type": "Property", "value": f"F{number}"},
        _LOCATION: {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [round(chance.uniform(-122.35, -122.325), 6), 47.61]},
            "observedAt": "2026-11-22T05:59:00Z",
        },
    }
    for name in ("occupancy", "delay", "stopSequence", "vehicleRunningStatus", "odometer", "headway", "seats"):
        found[_T + name] = {"type": "Property", "value": chance.randint(0, 1000), "observedAt": "2026-11-22T05:59:00Z"}
    return found


def city_of_buses(folder: Path) -> Path:
    """Copy the sample city; the vendor sees whole buses (a row filter), nobody sees vehicles without agreement."""
    shutil.copytree(ROOT / "city", folder / "city")
    agreements = folder / "city" / "agreements"
    vendor = json.loads((agreements / "rideflow-mobility.jsonld").read_text())
    vendor["permission"][0]["target"] = {"types": ["Vehicle"], "q": 'vehicleType=="bus"'}
    vendor.pop("prohibition", None)
    (agreements / "rideflow-mobility.jsonld").write_text(json.dumps(vendor))
    (agreements / "public-mobility.jsonld").unlink()
    return folder / "city"


async def fill(found: Database) -> None:
    """Store them."""
    pool, chance = Pool(found.dsn("broker"), size=1), random.Random(1)  # noqa: S311 - data, no secrets
    await pool.open()
    for start in range(0, COUNT, 1000):
        docs = [vehicle(number, chance) for number in range(start, start + 1000)]
        async with pool.tx(SCHEMA) as conn:
            await apply(conn, "default", [Change("create", doc["id"], doc) for doc in docs], datetime.now(UTC))
    await pool.close()


def ids_script(folder: Path) -> Path:
    """Write the script with which wrk asks for buses by lot."""
    file = folder / "ids.lua"
    file.write_text(_SCRIPT.replace("{last}", str(COUNT - 1)))
    return file
