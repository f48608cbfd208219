"""Scenes 2 to 5: a notification, a read under licence, a refusal, a narrowed view, the public view."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import quote

from aiohttp import web

from docker.local.console import Trouble
from docker.local.demo.scene import Scene, must

__all__ = ["narrowed_for_research", "notified", "open_to_all", "read_under_licence", "refused_for_marketing"]

PROVISION = "dpv:ServiceProvision"
MARKETING = "dpv:Marketing"
RESEARCH = "dpv:ScientificResearch"
VENDOR = "rideflow"
RESEARCHER = "uni-air"
_SUBSCRIPTION = "urn:ngsi-ld:Subscription:demo"


async def notified(scene: Scene) -> None:
    """Subscribe to moving vehicles as the vendor, and receive one notification over HTTP."""
    arrived: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def sink(request: web.Request) -> web.Response:
        arrived.put_nowait(await request.json())
        return web.Response(status=200)

    app = web.Application()
    app.router.add_post("/notify", sink)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    url = f"{scene.city.broker}/ngsi-ld/v1/subscriptions"
    token = scene.tokens[VENDOR]
    subscription = {
        "id": _SUBSCRIPTION,
        "type": "Subscription",
        "entities": [{"type": "Vehicle"}],
        "watchedAttributes": ["location"],
        "notification": {
            "attributes": ["location", "speed"],
            "format": "concise",
            "endpoint": {"uri": f"http://127.0.0.1:{port}/notify", "accept": "application/json"},
        },
    }
    try:
        await scene.city.ask(f"{url}/{_SUBSCRIPTION}", token, PROVISION, method="DELETE")
        made = await scene.city.ask(url, token, PROVISION, method="POST", json=subscription, headers=scene.link)
        must(made.status == 201, "the vendor's subscription is accepted with 201", f"{made.status} {made.body}")
        began = time.monotonic()
        scene.show.progress("waiting for a bus to move")
        try:
            first = await asyncio.wait_for(arrived.get(), 45)
        except TimeoutError as error:
            raise Trouble("No notification came within 45 s.", "See .local/main/logs/worker.log.") from error
        waited = round(time.monotonic() - began, 1)
        must(first.get("type") == "Notification" and bool(first.get("data")), "a Notification with data", first)
        scene.show.good(f"notified after {waited} s: {first['data'][0]['id']} has moved")
        scene.figures["seconds"]["notification"] = waited
        gone = await scene.city.ask(f"{url}/{_SUBSCRIPTION}", token, PROVISION, method="DELETE")
        must(gone.status == 204, "the subscription is deleted with 204", f"{gone.status} {gone.body}")
    finally:
        await runner.cleanup()


async def read_under_licence(scene: Scene) -> None:
    """Read vehicles as the vendor, for the licensed purpose; the answer carries its receipt."""
    answer = await scene.entities(VENDOR, "type=Vehicle&limit=2&count=true&options=concise", PROVISION)
    must(answer.status == 200 and answer.count > 0, "the vendor reads vehicles", f"{answer.status} {answer.body}")
    must(":" in answer.receipt, "the answer carries an audit receipt", answer.headers)
    scene.show.document(answer.body[0])
    scene.show.good(f"the vendor sees {answer.count:,} vehicles for {PROVISION}")
    scene.show.note(f"audit receipt {answer.receipt}")
    scene.figures["reads"] = {"vendor": {"vehicles": answer.count, "receipt": answer.receipt}}


async def refused_for_marketing(scene: Scene) -> None:
    """Send the same read for a purpose that no agreement covers."""
    answer = await scene.entities(VENDOR, "type=Vehicle&limit=2&count=true&options=concise", MARKETING)
    must(answer.status == 403, "the same read for marketing is refused with 403", f"{answer.status} {answer.body}")
    must(answer.body.get("reason") == "purpose_not_covered", "the reason purpose_not_covered", answer.body)
    must(str(answer.body.get("apply_at", "")).startswith("http"), "where to apply", answer.body)
    must(":" in answer.receipt, "the refusal carries an audit receipt too", answer.headers)
    scene.show.good(f"the same read for {MARKETING}: 403, reason {answer.body['reason']}")
    scene.show.note(str(answer.body.get("detail", "")))
    scene.show.note(f"apply at {answer.body['apply_at']}")
    scene.figures["reads"]["refused"] = {"status": 403, "reason": answer.body["reason"], "receipt": answer.receipt}
    page = await scene.city.ask(answer.body["apply_at"])
    must(page.status == 200, "the terms that the refusal points to can be read", page.status)


async def narrowed_for_research(scene: Scene) -> None:
    """Ask for moving vehicles as the researcher: only those in the agreement's area, and fewer attributes of each."""
    query = f"type=Vehicle&limit=1000&count=true&q={quote('speed>=0')}"
    vendor = await scene.entities(VENDOR, query, PROVISION)
    researcher = await scene.entities(RESEARCHER, query, RESEARCH)
    must(researcher.status == 200, "the researcher reads vehicles", f"{researcher.status} {researcher.body}")
    must(0 < researcher.count < vendor.count, "the researcher finds fewer moving vehicles, not none", researcher.count)
    seen, all_seen = _attributes(researcher.body), _attributes(vendor.body)
    hidden = sorted(all_seen - seen) if scene.recorded else await _hidden_of_standing(scene)
    must(bool(hidden), "the researcher sees fewer attributes", seen)
    scene.show.table(
        ["party", "moving vehicles", "attributes"],
        [
            (VENDOR, vendor.count, ", ".join(sorted(all_seen))),
            (RESEARCHER, researcher.count, ", ".join(sorted(seen))),
        ],
    )
    scene.show.good(
        "the researcher's agreement shows speed in its area only: elsewhere a question about it finds nothing"
    )
    probe = hidden[0]
    asked = await scene.entities(RESEARCHER, f"type=Vehicle&count=true&q={quote(probe)}", RESEARCH)
    must(asked.status == 200 and asked.count == 0, f"a question about the hidden {probe} finds nothing", asked.count)
    scene.show.good(f"a question about {probe}, hidden everywhere, finds nothing, as if it did not exist")
    scene.figures["reads"]["researcher"] = {"vehicles": researcher.count, "attributes": sorted(seen)}
    scene.figures["reads"]["vendor"]["moving"] = vendor.count


async def open_to_all(scene: Scene) -> None:
    """Read without a token: what the city has opened, no more."""
    answer = await scene.entities(None, "type=Vehicle&limit=1000&count=true")
    must(answer.status == 200 and answer.count > 0, "the public reads what is open", f"{answer.status} {answer.body}")
    scene.show.good(f"the public sees {answer.count:,} vehicles with {', '.join(sorted(_attributes(answer.body)))}")
    requests = await scene.entities(None, "type=ServiceRequest&limit=100&count=true")
    seen = _attributes(requests.body)
    there = requests.count > 0 if scene.recorded else requests.count == 0
    must(requests.status == 200 and there, "the public reads the service requests that are there", requests.body)
    must(not seen & {"location", "addressPseudonym"}, "no place and no address of a request is shown", seen)
    asked = await scene.entities(None, "type=ServiceRequest&count=true&q=addressPseudonym")
    must(asked.status == 200 and asked.count == 0, "a question about addresses finds nothing", asked.count)
    if scene.recorded:
        names = ", ".join(sorted(seen))
        scene.show.good(f"and {requests.count:,} service requests with {names}: no place, no address")
    else:
        scene.show.note("no service requests: their feed needs recorded data (DATAPOLIS_DATA), and there are none here")
    scene.figures["reads"]["public"] = {
        "vehicles": answer.count,
        "service_requests": requests.count,
        "service_request_attributes": sorted(seen),
    }


async def _hidden_of_standing(scene: Scene) -> list[str]:
    """Without recorded data moving vehicles carry nothing that the researcher may not see; the parked ones do."""
    everything = "type=Vehicle&limit=1000"
    vendor = await scene.entities(VENDOR, everything, PROVISION)
    researcher = await scene.entities(RESEARCHER, everything, RESEARCH)
    must(researcher.status == 200, "the researcher reads vehicles", f"{researcher.status} {researcher.body}")
    return sorted(_attributes(vendor.body) - _attributes(researcher.body))


def _attributes(entities: list[dict[str, Any]]) -> set[str]:
    return {name for each in entities for name in each if name not in {"id", "type", "scope", "@context"}}
