"""Admission of an agreement: from the text as written to the form that decisions are made with.

Types and attributes become IRIs, the data part is parsed and printed back, purposes must be known to the rules, and
nothing reaches beyond the agreement's domain: the target's types are those of the domain, or some of them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from broker.core.errors import NgsiLdError
from broker.core.parse_geo import parse_geo
from broker.core.parse_q import parse_q
from broker.core.parse_scope import parse_scope
from broker.core.print_q import print_q, print_scope
from policies import purposes, times
from policies.agreements.odrl import Agreement, Constraint, Rule, Target, hint
from policies.agreements.terms import ContextError, Terms, read_context
from policies.agreements.written import ACTION_OF_KIND
from policies.domains import CityFileError, Domain, complaints

__all__ = ["Admitted", "admit", "admit_document", "digest", "domain_types", "idle", "read"]

T = TypeVar("T")
_TAG = re.compile(r"\[([A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*)\]")
_DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"
_KINDS = {action: kind for kind, action in ACTION_OF_KIND.items()}


class Admitted:
    """An agreement as written and as decisions read it (`body`), with the digest of both."""

    def __init__(self, agreement: Agreement, source: dict[str, Any], body: dict[str, Any], tenant: str) -> None:
        self.agreement = agreement
        self.source = source
        self.body = body
        self.tenant = tenant
        self.digest = digest([source, body])


def digest(document: object) -> str:
    """Digest of a JSON document, the same for the same content."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def read(path: Path) -> tuple[Agreement, dict[str, Any]]:
    """Read one agreement file; raises CityFileError naming every faulty member."""
    try:
        source = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CityFileError(f"{path}: cannot be read: {error}") from error
    return _checked(source, str(path)), source


def _checked(source: object, name: str) -> Agreement:
    try:
        return Agreement.model_validate(source)
    except ValidationError as error:
        raise complaints(error, name, hint(error)) from error


def idle(agreement: Agreement) -> list[str]:
    """Say which members are right and yet change nothing, each with what to do; nothing is wrong with the agreement."""
    found: list[str] = []
    for kind, rules in (("permission", agreement.permission), ("prohibition", agreement.prohibition)):
        for number, rule in enumerate(rules):
            actions = {rule.action} if isinstance(rule.action, str) else set(rule.action)
            if rule.target.window is not None and not actions & {"temporal", "aggregate"}:
                found.append(
                    f"{kind}.{number}.target.window: narrows what histories show, and this rule's action is "
                    f"{', '.join(sorted(actions))}; add temporal or aggregate, or leave it out"
                )
            narrowing = [name for name in ("q", "scopeQ", "area") if getattr(rule.target, name) is not None]
            if kind == "permission" and "register" in actions and narrowing:
                found.append(
                    f"{kind}.{number}.target.{narrowing[0]}: looks at entities, and of those that lie elsewhere "
                    "nothing is known, so this rule lets no source be registered; leave it out in a rule for register"
                )
    return found


def domain_types(domain: Domain, terms: Terms) -> list[str]:
    """Give the IRIs of a domain's types."""
    return [terms.expand(name) for name in domain.types]


def admit(path: Path, domains: Mapping[str, Domain], city_terms: Terms) -> Admitted:
    """Read and admit one agreement file; `city_terms` names the domains' types."""
    _, source = read(path)
    return admit_document(source, str(path), domains, city_terms, path.parent)


def admit_document(
    source: dict[str, Any],
    name: str,
    domains: Mapping[str, Domain],
    city_terms: Terms,
    folder: Path | None,
    contexts: Mapping[str, Path] | None = None,
) -> Admitted:
    """Admit one agreement that is called `name` in complaints; `contexts` are files known by a URL."""
    agreement = _checked(source, name)
    domain = domains.get(agreement.domain)
    if domain is None:
        raise CityFileError(f"{name}: domain: {agreement.domain!r} is not among {', '.join(sorted(domains))}")
    try:
        terms = read_context(agreement.context, folder, contexts or {})
    except ContextError as error:
        raise CityFileError(f"{name}: @context: {error}") from error
    body = _Admission(name, terms, domain_types(domain, city_terms)).body(agreement)
    return Admitted(agreement, source, body, domain.tenant)


class _Admission:
    """One file on its way in: knows where it stands, to name the member in a complaint."""

    def __init__(self, path: str, terms: Terms, types: list[str]) -> None:
        self._path = path
        self._terms = terms
        self._types = types

    def body(self, agreement: Agreement) -> dict[str, Any]:
        return {
            "uid": agreement.uid,
            "version": agreement.version,
            "title": agreement.title or {},
            "domain": agreement.domain,
            "assigner": agreement.assigner,
            "assignee": agreement.assignee,
            "assessment": agreement.assessment,
            "valid": {"from": times.text(agreement.valid.from_), "until": times.text(agreement.valid.until)},
            "permission": [self._rule(rule, f"permission.{n}") for n, rule in enumerate(agreement.permission)],
            "prohibition": [self._rule(rule, f"prohibition.{n}") for n, rule in enumerate(agreement.prohibition)],
        }

    def _rule(self, rule: Rule, where: str) -> dict[str, Any]:
        actions = rule.action if isinstance(rule.action, list) else [rule.action]
        if (rule.target.feeds is not None) != ("publish" in actions):
            raise CityFileError(f"{self._path}: {where}.target.feeds: belongs to the action publish, and it needs them")
        return {
            "action": sorted(set(actions)),
            "target": self._target(rule.target, f"{where}.target"),
            "constraint": [self._constraint(item, f"{where}.constraint.{n}") for n, item in enumerate(rule.constraint)],
            "duty": [{"kind": _KINDS[duty.action], "value": duty.value} for duty in rule.duty],
        }

    def _target(self, target: Target, where: str) -> dict[str, Any]:
        found: dict[str, Any] = target.model_dump(mode="json", by_alias=True, exclude_none=True)
        if target.window:
            for member, moment in (("from", target.window.from_), ("to", target.window.to)):
                if isinstance(moment, datetime):
                    found["window"][member] = times.text(moment)
        found["types"] = self._reach(target, where)
        if target.attrs:
            found["attrs"] = {
                member: [self._name(name, f"{where}.attrs.{member}") for name in names]
                for member, names in found["attrs"].items()
            }
        if target.q is not None:
            found["q"] = self._q(target.q, f"{where}.q")
        if target.scopeQ is not None:
            found["scopeQ"] = self._parsed(f"{where}.scopeQ", lambda: print_scope(parse_scope(target.scopeQ or "")))
        if target.area is not None:
            found["area"] = self._area(target.area, f"{where}.area")
        return found

    def _reach(self, target: Target, where: str) -> list[str]:
        if target.types is None:
            return self._types
        types = [self._name(name, f"{where}.types") for name in target.types]
        for name, type_ in zip(target.types, types, strict=True):
            if type_ not in self._types:
                raise CityFileError(f"{self._path}: {where}.types: {name} is not a type of the agreement's domain")
        return types

    def _q(self, q: str, where: str) -> str:
        tags = frozenset(_TAG.findall(q))
        node = self._parsed(where, lambda: parse_q(q, lambda name: self._name_or_tag(name, tags)))
        printed = print_q(node)
        if parse_q(printed, str) != node:
            raise CityFileError(f"{self._path}: {where}: cannot be written in full names; say it more simply")
        return printed

    def _name_or_tag(self, name: str, tags: Collection[str]) -> str:
        """Expand a name; one that stands alone in brackets may be a language (4.9), which no context defines."""
        try:
            return self._terms.expand(name)
        except ContextError:
            if name not in tags:
                raise
            return _DEFAULT + name

    def _area(self, area: dict[str, Any], where: str) -> dict[str, Any]:
        if area.keys() != {"type", "coordinates"} or area["type"] not in ("Polygon", "MultiPolygon"):
            raise CityFileError(f"{self._path}: {where}: must be a GeoJSON Polygon or MultiPolygon, lon/lat")
        relation = self._parsed(where, lambda: parse_geo("within", area["type"], area["coordinates"], None, str))
        if relation is None:
            raise CityFileError(f"{self._path}: {where}: holds no geometry")
        printed: dict[str, Any] = json.loads(relation.geometry)
        return printed

    def _constraint(self, constraint: Constraint, where: str) -> dict[str, Any]:
        operand = constraint.rightOperand
        if constraint.leftOperand == "purpose":
            operand = (
                self._purpose(operand, where)
                if isinstance(operand, str)
                else [self._purpose(item, where) for item in operand]
            )
        elif constraint.leftOperand == "dateTime":
            operand = times.text(datetime.fromisoformat(str(operand)))
        left = constraint.leftOperand.removeprefix("t:")
        return {"leftOperand": left, "operator": constraint.operator, "rightOperand": operand}

    def _purpose(self, purpose: str, where: str) -> str:
        found = purposes.iri(purpose)
        if not purposes.known(found):
            raise CityFileError(f"{self._path}: {where}.rightOperand: {purpose} is no purpose of DPV")
        return found

    def _name(self, name: str, where: str) -> str:
        return self._parsed(where, lambda: self._terms.expand(name))

    def _parsed(self, where: str, work: Callable[[], T]) -> T:
        try:
            return work()
        except NgsiLdError as error:
            raise CityFileError(f"{self._path}: {where}: {error.detail}") from error
        except ContextError as error:
            raise CityFileError(f"{self._path}: {where}: {error}") from error
