"""Resolving contexts: built in, inline, fetched, kept, and never from where they must not come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, web

from broker.core.errors import BadRequestData, LdContextNotAvailable
from broker.ld.contexts import MAX_BYTES, Contexts, link_context
from ontologies import load
from policies.egress import session

LOOPBACK = [ip_network("127.0.0.0/8")]
NAMES = {"@context": {"speed": "https://a.example/speed"}}


class Memory:
    """A storage in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

        self.stale = False
        self.lives_s: float | None = None

    async def load_context(self, url: str) -> tuple[bytes, bool] | None:
        return (self.kept[url], self.stale) if url in self.kept else None

    async def store_context(self, url: str, body: bytes, lives_s: float) -> None:
        self.kept[url], self.lives_s = body, lives_s


class Site:
    """A real web server of contexts, which counts what is asked of it."""

    def __init__(self) -> None:
        self.hits: list[str] = []
        self.pages: dict[str, Any] = {"/a": NAMES}
        self.base = ""
        self.headers: dict[str, str] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.hits.append(request.path)
        if request.path == "/slow":
            await asyncio.sleep(5)
        if request.path == "/away":
            raise web.HTTPFound(request.query["to"])
        page = self.pages.get(request.path)
        if page is None:
            raise web.HTTPNotFound
        body = page if isinstance(page, bytes) else orjson.dumps(page)
        return web.Response(body=body, content_type="application/ld+json", headers=self.headers)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    found = Site()
    app = web.Application()
    app.router.add_get("/{path:.*}", found.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    tcp = web.TCPSite(runner, "127.0.0.1", 0)
    await tcp.start()
    port = runner.addresses[0][1]
    found.base = f"http://127.0.0.1:{port}"
    yield found
    await runner.cleanup()


@pytest.fixture
async def client() -> AsyncIterator[ClientSession]:
    async with session(LOOPBACK, timeout_s=2.0) as found:
        yield found


async def test_no_context_is_the_core_alone() -> None:
    contexts = Contexts()
    active = await contexts.resolve(None)
    assert active is contexts.core
    assert active.expand_term("speed") == "https://uri.etsi.org/ngsi-ld/default-context/speed"
    assert active.source is None


@pytest.mark.parametrize("url", sorted(url for url in load.contexts() if "uri.etsi.org" in url))
async def test_every_core_context_is_known_without_the_net(url: str) -> None:
    active = await Contexts().resolve(url)
    assert active.expand_term("location") == "https://uri.etsi.org/ngsi-ld/location"
    assert active.expand_iri("value") == "https://uri.etsi.org/ngsi-ld/hasValue"
    assert active.source == url


async def test_inline_array_and_fetched_mix_in_order(site: Site, client: ClientSession) -> None:
    contexts = Contexts(client, Memory())
    source = [f"{site.base}/a", {"speed": "https://b.example/speed", "wind": "https://b.example/wind"}]
    active = await contexts.resolve(source)
    assert active.expand_term("speed") == "https://b.example/speed"
    assert active.expand_term("wind") == "https://b.example/wind"
    assert active.source == source
    reverse = await contexts.resolve(list(reversed(source)))
    assert reverse.expand_term("speed") == "https://a.example/speed"
    assert site.hits == ["/a"]
    assert contexts.known(source) is active
    assert contexts.known("https://never.example/") is None


async def test_the_core_wins_from_any_place(site: Site, client: ClientSession) -> None:
    site.pages["/b"] = {
        "@context": [
            load.CORE_CONTEXT,
            {"@protected": True, "type": "ex:t", "location": "ex:l", "x": "https://x.example/"},
        ]
    }
    active = await Contexts(client).resolve(f"{site.base}/b")
    assert active.expand_term("location") == "https://uri.etsi.org/ngsi-ld/location"
    assert active.expand_iri("type") == "@type"
    assert active.expand_term("x") == "https://x.example/"


async def test_a_restart_with_the_net_off_still_knows(site: Site, client: ClientSession) -> None:
    storage = Memory()
    url = f"{site.base}/a"
    await Contexts(client, storage).resolve(url)
    assert storage.kept == {url: orjson.dumps(NAMES)}
    active = await Contexts(None, storage).resolve(url)
    assert active.expand_term("speed") == "https://a.example/speed"
    with pytest.raises(LdContextNotAvailable, match="fetches none"):
        await Contexts(None, storage).resolve(f"{site.base}/other")


async def test_requests_at_once_share_one_fetch(site: Site, client: ClientSession) -> None:
    contexts = Contexts(client)
    found = await asyncio.gather(*(contexts.resolve([f"{site.base}/a", {"n": f"ex:{n}"}]) for n in range(10)))
    assert len(found) == 10
    assert site.hits == ["/a"]


async def test_equal_content_is_one_context(site: Site, client: ClientSession) -> None:
    contexts = Contexts(client)
    by_url = await contexts.resolve(f"{site.base}/a")
    inline = await contexts.resolve(NAMES["@context"])
    assert inline.context is by_url.context
    assert inline.source == NAMES["@context"]
    assert by_url.source == f"{site.base}/a"


async def test_a_forgotten_document_is_read_again(site: Site, client: ClientSession) -> None:
    contexts = Contexts(client)
    url = f"{site.base}/a"
    await contexts.resolve(url)
    site.pages["/a"] = {"@context": {"speed": "https://c.example/speed"}}
    assert (await contexts.resolve(url)).expand_term("speed") == "https://a.example/speed"
    contexts.forget(url)
    assert (await contexts.resolve(url)).expand_term("speed") == "https://c.example/speed"


async def test_the_citys_own_contexts_are_given() -> None:
    contexts = Contexts(local={"https://city.example/context.jsonld": {"speed": "https://city.example/speed"}})
    active = await contexts.resolve("https://city.example/context.jsonld")
    assert active.expand_term("speed") == "https://city.example/speed"


async def test_private_addresses_are_refused_also_after_a_redirect(site: Site) -> None:
    async with session([], timeout_s=2.0) as guarded:
        with pytest.raises(LdContextNotAvailable, match="not a public address"):
            await Contexts(guarded).resolve(f"{site.base}/a")
    assert site.hits == []
    only_this = [ip_network("127.0.0.1/32")]
    port = site.base.rpartition(":")[2]
    async with session(only_this, timeout_s=2.0) as guarded:
        with pytest.raises(LdContextNotAvailable, match=r"127\.0\.0\.2 is not a public address"):
            await Contexts(guarded).resolve(f"{site.base}/away?to=http://127.0.0.2:{port}/a")
    assert site.hits == ["/away"]


@pytest.mark.parametrize(
    ("path", "page", "message"),
    [
        ("/none", None, "answered 404"),
        ("/text", b"<html>", "not JSON"),
        ("/list", [], "a JSON object with a member @context"),
        ("/bare", {"speed": "ex:speed"}, "a JSON object with a member @context"),
        ("/long", b'{"@context":{"a":"' + b"x" * MAX_BYTES + b'"}}', "longer than"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_what_is_no_context_document(
    site: Site, client: ClientSession, path: str, page: Any, message: str
) -> None:
    storage = Memory()
    if page is not None:
        site.pages[path] = page
    there = message.startswith(("not JSON", "a JSON object"))
    with pytest.raises(BadRequestData if there else LdContextNotAvailable, match=message):
        await Contexts(client, storage).resolve(site.base + path)
    assert storage.kept == {}


async def test_a_slow_site_is_given_up(site: Site, client: ClientSession) -> None:
    with pytest.raises(LdContextNotAvailable, match=r"no answer within 0\.2 s"):
        await Contexts(client, timeout_s=0.2).resolve(f"{site.base}/slow")


async def test_nobody_home(client: ClientSession) -> None:
    with pytest.raises(LdContextNotAvailable, match="cannot be fetched"):
        await Contexts(client).resolve("http://127.0.0.1:9/context.jsonld")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (5, "neither a URL nor an object"),
        ("ftp://a.example/c", "is not an http or https URL"),
        ("context.jsonld", "is not an http or https URL"),
        ({"speed": {"@id": "ex:s", "@context": {}}}, "'speed' has a scoped context"),
        ({"@import": "https://a.example/"}, "@import is not taken"),
        ({"@context": {}}, "inside a @context"),
        ({"speed": 5}, "@context: "),
        ({"@language": {"a": 1}, "speed": {"@id": "https://a.example/s", "@type": {"b": 2}}}, "@context: "),
        ([[{"a": "https://a.example/"}] * 100], "more than 64 parts"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_is_no_context(source: Any, message: str) -> None:
    with pytest.raises(BadRequestData, match=message):
        await Contexts().resolve(source)


async def test_a_term_that_looks_like_a_keyword_is_ignored() -> None:
    active = await Contexts().resolve({"@foo": "https://a.example/", "bar": "https://a.example/bar"})
    assert active.expand_term("bar") == "https://a.example/bar"


async def test_a_context_that_includes_itself_ends(site: Site, client: ClientSession) -> None:
    site.pages["/loop"] = {"@context": ["loop", {"a": "https://a.example/"}]}
    with pytest.raises(BadRequestData, match="does it include itself"):
        await Contexts(client).resolve(f"{site.base}/loop")
    assert site.hits == ["/loop"]


async def test_a_stale_document_is_fetched_again_and_serves_while_that_fails(site: Site, client: ClientSession) -> None:
    storage = Memory()
    url = f"{site.base}/a"
    await Contexts(client, storage).resolve(url)
    assert storage.lives_s == 86_400
    storage.stale = True
    site.pages["/a"] = {"@context": {"speed": "https://b.example/speed"}}
    assert (await Contexts(client, storage).resolve(url)).expand_term("speed") == "https://b.example/speed"
    del site.pages["/a"]
    assert (await Contexts(client, storage).resolve(url)).expand_term("speed") == "https://b.example/speed"
    assert (site.hits, storage.lives_s) == (["/a"] * 3, 60)


@pytest.mark.parametrize(
    ("headers", "lives_s"),
    [
        ({"Cache-Control": "public, max-age=30"}, 30),
        ({"Cache-Control": "no-cache"}, 1),
        ({"Cache-Control": "max-age=0"}, 1),
        ({"Expires": "Thu, 01 Jan 1970 00:00:00 GMT"}, 1),
        ({"Expires": "whenever"}, 1),
    ],
)
async def test_how_long_it_is_fresh(site: Site, client: ClientSession, headers: dict[str, str], lives_s: float) -> None:
    storage = Memory()
    site.headers = headers
    await Contexts(client, storage).resolve(f"{site.base}/a")
    assert storage.lives_s == lives_s


async def test_reload_replaces_what_is_there_or_leaves_it(site: Site, client: ClientSession) -> None:
    storage = Memory()
    contexts = Contexts(client, storage)
    url = f"{site.base}/a"
    first = await contexts.resolve(url)
    site.pages["/a"] = {"@context": {"speed": "https://b.example/speed"}}
    assert await contexts.resolve(url) is first
    await contexts.reload(url)
    assert (await contexts.resolve(url)).expand_term("speed") == "https://b.example/speed"
    wrongs: list[Any] = [{"@context": 5}, {"other": 1}, b"{", {"@context": {"a": {"@context": {}}}}]
    for wrong in wrongs:
        site.pages["/a"] = wrong
        with pytest.raises(LdContextNotAvailable):
            await contexts.reload(url)
    assert orjson.loads(storage.kept[url]) == {"@context": {"speed": "https://b.example/speed"}}
    assert (await contexts.resolve(url)).expand_term("speed") == "https://b.example/speed"


async def test_uses_are_counted(site: Site, client: ClientSession) -> None:
    contexts = Contexts(client)
    for _ in range(2):
        await contexts.resolve(f"{site.base}/a")
    await contexts.resolve([f"{site.base}/a", {"x": "https://a.example/x"}])
    with pytest.raises(LdContextNotAvailable):
        await contexts.resolve(f"{site.base}/none")
    assert contexts.used == {f"{site.base}/a": 3}


@pytest.mark.parametrize("wrong", [5, True, [5], {"@context": {}}, {"a": {"@context": {}}}, {"@import": "http://x"}])
def test_what_may_not_be_stored(wrong: object) -> None:
    with pytest.raises(BadRequestData):
        Contexts().check(wrong)


REL = 'rel="http://www.w3.org/ns/json-ld#context"'


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ([], None),
        ([f'<https://a.example/c>; {REL}; type="application/ld+json"'], "https://a.example/c"),
        ([f"<https://a.example/c,d;e>;{REL}"], "https://a.example/c,d;e"),
        ([f'<https://x.example/>; rel="next", <https://a.example/c>; title="a, b; c"; {REL}'], "https://a.example/c"),
        (['<https://x.example/>; rel="next"'], None),
        (["<https://x.example/>"], None),
        (["<https://a.example/c>; rel=http://www.w3.org/ns/json-ld#context"], "https://a.example/c"),
    ],
)
def test_link_headers(values: list[str], url: str | None) -> None:
    assert link_context(values) == url


def test_two_contexts_or_no_link() -> None:
    with pytest.raises(BadRequestData, match="more than one"):
        link_context([f"<https://a.example/>; {REL}", f"<https://b.example/>; {REL}"])
    with pytest.raises(BadRequestData, match="is no Link header"):
        link_context(["https://a.example/"])
