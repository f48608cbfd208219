"""Recompute every verdict of a catalog from public evidence, over HTTP, as anybody may: `catalog verify URL`.

Three things are held against each other: what the catalog shows, what it signed, and what the same gates find in the
sources themselves (the trust's domains, agreements and assessments, the declared feeds, and what the connectors report
at the broker), read without a token. Evidence moves on between the catalog's reading and this one; so what differs is
read again for as long as the catalog's next round may take, and only what stays different is a finding.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
import orjson

from catalog import reading, terms
from catalog.broker import Broker, BrokerRefused, BrokerUnavailable
from catalog.city import facts
from catalog.dataset import DomainFacts
from catalog.evidence import DIMENSIONS, METHOD, Evidence, Verdict, evidence_json, evidence_of, status_at
from catalog.readiness import assess
from catalog.sign import SignatureError, opened
from catalog.terms import TermsUnavailable

__all__ = ["Finding", "Report", "VerifyError", "verify"]


class VerifyError(Exception):
    """The catalog or its evidence cannot be read; the text says what and why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing in which a shown verdict is not what it should be."""

    domain: str
    gate: str
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """The verdicts that were shown, and what is wrong with them."""

    verdicts: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]


async def verify(
    http: aiohttp.ClientSession, url: str, wait_s: float | None = None, keys: Sequence[Mapping[str, Any]] = ()
) -> Report:
    """Verify every verdict of the catalog at `url`; differences are read again for `wait_s` seconds (by itself: two
    rounds of the catalog). `keys`: trust these keys alone, instead of those that the catalog publishes."""
    began = time.monotonic()
    while True:
        report, interval_s = await _once(http, url.rstrip("/"), keys)
        limit = wait_s if wait_s is not None else 2 * interval_s + 1
        if not report.findings or time.monotonic() - began >= limit:
            return report
        await asyncio.sleep(min(0.5, limit / 4))


async def _once(http: aiohttp.ClientSession, url: str, given: Sequence[Mapping[str, Any]]) -> tuple[Report, float]:
    shown = await _json(http, f"{url}/readiness")
    try:
        at, ttl_s = datetime.fromisoformat(shown["at"]), float(shown["evidenceTtl"])
        keys = given or (await _json(http, f"{url}/readiness/keys"))["keys"]
        where = shown["sources"]
        broker = Broker(http, str(where["broker"]))
        bodies = await terms.domains(http, url)
        declared = [facts(bodies[d["domain"]], {}, ("en",), {}) for d in shown["domains"] if d["domain"] in bodies]
        harvests = await reading.read(http, url, broker, declared, frozenset(shown["services"]))
    except (KeyError, TypeError, ValueError) as error:
        raise VerifyError(
            f"{url}/readiness: is not what a catalog publishes ({type(error).__name__}: {error})"
        ) from error
    except (BrokerUnavailable, BrokerRefused, TermsUnavailable) as error:
        raise VerifyError(f"the evidence cannot be read: {error}") from error
    sources = reading.sources(url, str(where["broker"]))
    computed = {h.domain.name: assess(h, h.at, sources, ttl_s) for h in harvests}
    known = {d.name: d for d in declared}
    findings: list[Finding] = []
    for verdict in shown["domains"]:
        name = str(verdict.get("domain"))
        findings += _signed(verdict, at, keys)
        findings += _recomputed(verdict, computed.get(name), known.get(name), _lapsed(verdict, at, keys))
    stated = tuple((str(v.get("domain")), str(v.get("status"))) for v in shown["domains"])
    return Report(stated, tuple(findings)), float(shown.get("interval", 5.0))


def _signed(shown: Mapping[str, Any], at: datetime, keys: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Whether what is shown is what was signed, as it stands at the moment of the answer."""
    name = str(shown.get("domain"))
    if not shown.get("gates") and not shown.get("jws"):
        honest = shown.get("status") == "not yet"
        return [] if honest else [Finding(name, "signature", "it is shown as governed, but nothing was signed")]
    try:
        said = opened(str(shown.get("jws") or ""), keys)
        gates = tuple(evidence_of(e) for e in said["gates"])
        signed = Verdict(str(said["domain"]), datetime.fromisoformat(said["at"]), gates)
    except (SignatureError, KeyError, TypeError, ValueError) as error:
        return [Finding(name, "signature", f"the verdict is not validly signed: {error}")]
    if (said["status"], tuple(said["failing"])) != (signed.status, signed.failing):
        return [Finding(name, "signature", "what was signed contradicts its own gates")]
    now = status_at(signed, at)
    if signed.domain != name or said.get("version") != shown.get("version"):
        return [Finding(name, "signature", "the signature is that of another verdict")]
    found = []
    if _plain([evidence_json(e) for e in now.gates]) != _plain(shown["gates"]):
        found.append(Finding(name, "signature", "the gates that are shown are not those that were signed"))
    if (shown["status"], list(shown["failing"]), shown["reason"]) != (now.status, list(now.failing), now.reason):
        text = f"it is shown as {shown['status']}, but what was signed says {now.status}"
        found.append(Finding(name, "signature", text))
    return found


def _plain(gates: Sequence[Any]) -> list[dict[str, Any]]:
    """Gates with their times as moments, whatever way they are written."""
    read: list[dict[str, Any]] = orjson.loads(orjson.dumps(gates))
    return [{**g, **{m: datetime.fromisoformat(g[m]) for m in ("at", "expires")}} for g in read]


def _lapsed(shown: Mapping[str, Any], at: datetime, keys: Sequence[Mapping[str, Any]]) -> set[str]:
    """The gates that passed when they were signed and have lapsed since, as they should when nobody assesses."""
    try:
        gates = opened(str(shown.get("jws") or ""), keys)["gates"]
        return {e.gate for e in map(evidence_of, gates) if e.passed and e.expires <= at}
    except (SignatureError, KeyError, TypeError, ValueError):
        return set()


def _recomputed(
    shown: Mapping[str, Any], verdict: Verdict | None, domain: DomainFacts | None, lapsed: set[str]
) -> list[Finding]:
    """Whether the gates find in the sources what the catalog says that they found. One that has lapsed for want of a
    new round claims nothing, so it is not wrong."""
    name = str(shown.get("domain"))
    if verdict is None or domain is None:
        governed = shown.get("status") == "governed"
        return [Finding(name, "declaration", "the trust publishes no such domain")] if governed else []
    if not shown.get("gates"):
        return []
    said = {str(e["gate"]): e for e in shown["gates"]}
    found = [
        Finding(name, gate, "the gate is missing" if gate not in said else "there is no such gate")
        for gate in sorted({e.gate for e in verdict.gates} ^ set(said))
    ]
    found += [
        Finding(name, e.gate, text)
        for e in verdict.gates
        if e.gate in said and e.gate not in lapsed and (text := _differs(said[e.gate], e))
    ]
    if shown.get("status") != verdict.status and not (lapsed and shown.get("status") == "not yet"):
        text = f"it is shown as {shown.get('status')}, but the evidence says {verdict.status}: {verdict.reason}"
        found.append(Finding(name, "verdict", text))
    return found


def _differs(said: Mapping[str, Any], e: Evidence) -> str:
    """In what a shown finding differs from that of the sources; nothing where newer evidence only moved its value."""
    if said.get("method") != METHOD:
        return f"it was found by {said.get('method')}, and this is {METHOD}: verify with the catalog's own version"
    if bool(said.get("pass")) != e.passed:
        return f"it is shown as {'passed' if said.get('pass') else 'failed'}, but: {e.reason}"
    if said.get("target") != e.target:
        return f"its target is shown as {said.get('target')}, but is {e.target}"
    if e.gate == "freshness" or (e.gate in DIMENSIONS and datetime.fromisoformat(said["at"]) != e.at):
        return ""
    return "" if said.get("value") == e.value else f"its value is shown as {said.get('value')}, but is {e.value}"


async def _json(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    try:
        async with http.get(url, headers={"Accept": "application/json"}) as answer:
            body = orjson.loads(await answer.read())
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise VerifyError(f"{url}: {type(error).__name__}: {error}") from error
    if answer.status != 200 or not isinstance(body, dict):
        raise VerifyError(f"{url}: answered {answer.status}; is it the address of a catalog?")
    return body
