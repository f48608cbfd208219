"""A day with the client that was generated from the OpenAPI document; runs where that client is installed.

`python client_scenario.py FOLDER_OF_THE_CLIENT URL` prints what each step came to, one JSON object.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

PACKAGE = "datapolis_context_broker_client"
BUS = {
    "id": "urn:ngsi-ld:Bus:1",
    "type": "Bus",
    "speed": {"type": "Property", "value": 21, "observedAt": "2026-05-01T10:00:00Z"},
    "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [-0.37, 39.47]}},
    "operatedBy": {"type": "Relationship", "object": "urn:ngsi-ld:Operator:1"},
}
SOURCE = {
    "id": "urn:ngsi-ld:ContextSourceRegistration:1",
    "type": "ContextSourceRegistration",
    "endpoint": "http://source.example",
    "information": [{"entities": [{"type": "Bus"}], "propertyNames": ["speed"]}],
}


def main(folder: str, url: str) -> dict[str, Any]:
    """Go through the day."""
    sys.path.insert(0, folder)
    models = importlib.import_module(f"{PACKAGE}.models")
    client = importlib.import_module(f"{PACKAGE}.client").Client(base_url=url, raise_on_unexpected_status=True)

    def call(path: str, *args: Any, **arguments: Any) -> Any:
        return importlib.import_module(f"{PACKAGE}.api.{path}").sync_detailed(*args, client=client, **arguments)

    entity = models.Entity.from_dict(BUS)
    others = [models.Entity.from_dict({**BUS, "id": f"urn:ngsi-ld:Bus:{number}"}) for number in (2, 3)]
    found: dict[str, Any] = {
        "create": call("provision.create_entity", body=entity).status_code,
        "create again": call("provision.create_entity", body=entity).parsed.title,
        "upsert": sorted(call("provision.batch_upsert", body=others).parsed),
    }
    one = call("consumption.retrieve_entity", "urn:ngsi-ld:Bus:1").parsed.to_dict()
    found["retrieve"] = one == BUS
    faster = {"type": "Property", "value": 34, "observedAt": "2026-05-01T10:01:00Z"}
    change = models.EntityFragment.from_dict({"speed": faster})
    found["merge"] = call("provision.merge_entity", "urn:ngsi-ld:Bus:1", body=change).status_code
    more = models.EntityFragment.from_dict({"line": {"type": "Property", "value": "7"}})
    found["append"] = call("provision.append_attributes", "urn:ngsi-ld:Bus:1", body=more).status_code
    fast = call("consumption.query_entities", type_="Bus", q="speed>30")
    found["query"] = [entity.id for entity in fast.parsed]
    found["near"] = len(
        call(
            "consumption.query_entities",
            type_="Bus",
            georel="near;maxDistance==100",
            geometry=models.QueryEntitiesGeometry.POINT,
            coordinates="[-0.37,39.47]",
            limit=2,
        ).parsed
    )
    found["types"] = call("discovery.list_types").parsed.type_list
    evolution = call("temporal_evolution.retrieve_temporal", "urn:ngsi-ld:Bus:1", attrs="speed").parsed.to_dict()
    found["evolution"] = [instance["value"] for instance in evolution["speed"]]
    source = models.CSourceRegistration.from_dict(SOURCE)
    found["register"] = call("context_sources.create_registration", body=source).status_code
    listed = call("context_sources.query_registrations", type_="Bus", attrs="speed").parsed
    found["registered"] = [one.to_dict() == SOURCE for one in listed]
    part = models.CSourceRegistrationFragment.from_dict({"description": "Buses"})
    found["describe"] = call("context_sources.update_registration", SOURCE["id"], body=part).status_code
    found["described"] = call("context_sources.retrieve_registration", SOURCE["id"]).parsed.description
    found["deregister"] = call("context_sources.delete_registration", SOURCE["id"]).status_code
    found["delete"] = call("provision.delete_entity", "urn:ngsi-ld:Bus:1").status_code
    gone = call("consumption.retrieve_entity", "urn:ngsi-ld:Bus:1")
    found["gone"] = [gone.status_code, gone.parsed.type_]
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2])))
