"""Faults that the proofs of the trust must find: edits of the compiler, the masks, the decision and the routes.

Each is one replacement in one file, and the tests of which one at least must then fail.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MUTANTS", "Mutant"]

MEMORY = ("tests/oracle/test_in_memory.py",)
HTTP = ("tests/oracle/test_oracle.py",)
SQL = ("tests/broker/store/test_compile.py",)
TRUST, KEYS = "tests/policies/test_trust.py", "tests/policies/test_access_keys.py"
DOOR = ("tests/broker/http/test_governance.py::test_403_names_reason_and_where_to_apply",)
LATER = ("tests/conformance/test_policy_twins.py::test_a_later_change_of_a_hidden_attribute_leaves_no_trace",)
TIME = ("tests/conformance/test_temporal_governed.py",)
GONE = ("tests/broker/core/test_temporal_access.py",)
CHANGES = ("tests/oracle/test_changes.py",)
TOLD = ("tests/broker/workers/test_notifier.py",)
BEATS = ("tests/broker/workers/test_beats.py",)
SOURCES = ("tests/conformance/test_policy_sources.py",)
TWINS = ("tests/conformance/test_policy_twin_sources.py",)
WRITES = ("tests/conformance/test_policy_writes.py",)
RULES = ("tests/policies/test_rego.py::test_opa_test_is_green",)
TOKENS = ("tests/policies/test_token.py",)
DISCOVERY = ("tests/policies/test_discovery.py",)
ENDED = (f"{KEYS}::test_revoked_and_expired",)
ONLY = (f"{KEYS}::test_it_reads_under_its_agreement_alone",)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault."""

    file: str
    old: str
    new: str
    tests: tuple[str, ...]


_NARROW = "broker/core/narrow.py"
_SIGHT = "broker/ops/sight.py"
_MATCH = "broker/core/match.py"
_GRANTS = "policies/grants.py"
_COMPILE = "broker/store/compile.py"
_GEO = "broker/store/compile_geo.py"
_PAGES = "broker/store/pages.py"
_FOUND = "broker/store/discovery.py"
_DISCOVERY = "broker/ops/discovery.py"
_RENDER = "broker/http/render.py"
_FEATURES = "broker/http/features.py"
_ENTITIES = "broker/ops/entities.py"
_MASKS = "broker/ops/masks.py"
_ROUTES = "broker/http/routes/entities.py"
_GUARD = "broker/ops/authorise.py"
_DEPS = "broker/http/deps.py"
_TRUST = "policies/trust.py"
_ACCESS_KEYS = "policies/access_keys.py"
_TOKEN = "policies/token.py"
_PDP = "policies/pdp.py"
_AGES = "broker/core/temporal_access.py"
_EVOLUTIONS = "broker/ops/temporal.py"
_TIMES = "broker/store/temporal_sql.py"
_SOUGHT = "broker/store/temporal.py"
_DRAFT = "broker/core/draft.py"
_SUBSCRIPTION = "broker/core/subscription.py"
_NOTIFIER = "broker/workers/notifier.py"
_NOTIFY = "broker/workers/notify.py"
_REACH = "broker/core/registration_access.py"
_SEARCH = "broker/store/registration_search.py"
_REGO = "policies/rego/datapolis/decision.rego"
_CONSTRAINTS = "policies/rego/datapolis/constraints.rego"

MUTANTS: tuple[Mutant, ...] = (
    # masks and narrowing
    Mutant("broker/core/access.py", "is not self.complement", "is self.complement", MEMORY),
    Mutant(
        _NARROW,
        "return AttrSet(one.names & other.names, True)",
        "return AttrSet(one.names | other.names, True)",
        MEMORY,
    ),
    Mutant(_NARROW, "return AttrSet(one.names | other.names)\n", "return AttrSet(one.names & other.names)\n", MEMORY),
    Mutant(
        _NARROW,
        "return AttrSet(one.names | other.names, True)\n    return",
        "return AttrSet(one.names, True)\n    return",
        MEMORY,
    ),
    Mutant(_NARROW, "if name not in other))", "if name in other))", MEMORY),
    Mutant(_NARROW, "if rule.types is None or not rule.types.isdisjoint(known):", "if True:", MEMORY),
    Mutant(_NARROW, "for one in sorted(rule.types)), rule.filter))", "for one in sorted(rule.types)), TRUE))", MEMORY),
    Mutant(_NARROW, "for one in access.prohibitions if one.attrs == ALL)", "for one in access.prohibitions)", MEMORY),
    Mutant(_NARROW, "return _all_of((granted, _not(hidden)))", "return granted", MEMORY),
    Mutant(
        _NARROW,
        "return _all_of((granted, _not(_any_of(_applies(one, known) for one in hiding))))",
        "return granted",
        MEMORY,
    ),
    Mutant(_NARROW, "granted = TRUE if all_grant else", "granted = TRUE if granting else", MEMORY),
    Mutant(
        _NARROW, "return _not(_gate(item, visible, access))", "return _not(item)", ("tests/broker/core/test_narrow.py",)
    ),
    Mutant(_NARROW, "return _all_of((node, visible(path.attr)))", "return node", MEMORY),
    Mutant(_NARROW, "return _all_of((node, visible(attr)))", "return node", MEMORY),
    Mutant(
        _NARROW, "groups.setdefault(visible(attr), []).append(attr)", "groups.setdefault(TRUE, []).append(attr)", MEMORY
    ),
    Mutant(
        _NARROW,
        "where = _all_of((gated, entity_visible(access, known | _known_types(gated))))",
        "where = gated",
        MEMORY,
    ),
    Mutant(
        _NARROW, "    if not grants or any(one.attrs == ALL for one in prohibitions):\n", "    if not grants:\n", MEMORY
    ),
    Mutant(_NARROW, "shown = _minus(shown, prohibition.attrs)", "pass", MEMORY),
    Mutant(_NARROW, "shown = _union(shown, grant.attrs)", "shown = grant.attrs", MEMORY),
    Mutant(
        _NARROW,
        "return AttrMask(shown, whole and not any(_hides(one, MODIFIED_AT) for one in prohibitions))",
        "return AttrMask(shown, whole)",
        MEMORY,
    ),
    Mutant(
        _NARROW,
        "return grant.attrs == ALL if attr == MODIFIED_AT else attr in grant.attrs",
        "return True if attr == MODIFIED_AT else attr in grant.attrs",
        MEMORY,
    ),
    Mutant(_SIGHT, "key = types, *needed", "key = (types,)", MEMORY),
    Mutant(_NARROW, "isinstance(node, Not) and types_only(node.item)", "True", MEMORY),
    Mutant(_NARROW, "return Or((Not(_any_of(others)), condition))", "return Or((_any_of(others), condition))", SQL),
    Mutant(_MASKS, "if keys and keys.count(keys[0]) == len(keys):", "if keys:", HTTP),
    Mutant(
        _SIGHT,
        "return None if None in found else ",
        "return ",
        MEMORY,
    ),
    # conditions in memory
    Mutant(_MATCH, 'holds if op == "==" else lambda value: not holds(value)', "holds", MEMORY),
    Mutant(
        _MATCH,
        "return bool(texts) and any(found(text) for text in texts) != negated",
        "return any(found(text) for text in texts)",
        MEMORY,
    ),
    Mutant(
        _MATCH, 'return lambda doc, _: type_ in doc["type"]', 'return lambda doc, _: type_ == doc["type"][0]', MEMORY
    ),
    Mutant(_MATCH, "return lambda doc, meta: not inner(doc, meta)", "return lambda doc, meta: True", MEMORY),
    Mutant(_MATCH, "low[1] <= key[1] <= high[1]", "low[1] <= key[1] < high[1]", MEMORY),
    # decisions to grants
    Mutant(_GRANTS, "if target.q is not None:", "if False:", MEMORY),
    Mutant(_GRANTS, "if target.scopeQ is not None:", "if False:", MEMORY),
    Mutant(_GRANTS, "if target.area is not None:", "if False:", MEMORY),
    Mutant(_GRANTS, "frozenset(attrs.but or ()), complement=True", "frozenset(), complement=True", MEMORY),
    Mutant(_GRANTS, "tuple(_prohibition(item) for item in answer.prohibitions)", "()", MEMORY),
    Mutant(_GRANTS, "not (item.aggregate_only or item.resolution)", "True", MEMORY),
    # the compiler
    Mutant(_COMPILE, 'IS NOT TRUE)"', 'IS TRUE)"', HTTP),
    Mutant(_COMPILE, 'return _join(" OR ", "FALSE"', 'return _join(" AND ", "FALSE"', HTTP),
    Mutant(
        _COMPILE,
        'return f"{row}.types && {params.texts(types)}"',
        'return f"{row}.types @> {params.texts(types)}"',
        HTTP,
    ),
    Mutant(
        _COMPILE,
        'return f"{row}.names && {params.texts(attrs)}"',
        'return f"{row}.names @> {params.texts(attrs)}"',
        HTTP,
    ),
    Mutant(_COMPILE, 'WHERE s.v COLLATE "C" ~ {expression})', "WHERE TRUE OR s.v ~ {expression})", HTTP),
    Mutant(_GEO, "AND g.attr = {attr} AND {condition})", "AND {condition} OR g.attr = {attr})", HTTP),
    Mutant(
        _PAGES,
        'AND {where.sql}", where.params',
        'AND {where.sql} OR TRUE", where.params',
        HTTP,
    ),
    # discovery
    Mutant(_DISCOVERY, "return narrow(Query(where), access).where", "return where", HTTP),
    Mutant(_DISCOVERY, "return mask is not None and mask.shows(name)", "return mask is not None", HTTP),
    Mutant(
        _DISCOVERY,
        "if shown and type_ not in found.setdefault(name, [])[-1:]:",
        "if type_ not in found.setdefault(name, [])[-1:]:",
        HTTP,
    ),
    Mutant(
        _FOUND,
        "SELECT DISTINCT e.types FROM entities AS e WHERE {alive} AND {where}",
        "SELECT DISTINCT e.types FROM entities AS e WHERE {alive} OR {where}",
        HTTP,
    ),
    # routes
    Mutant(_ENTITIES, "return None if mask is None else View(", "return View(", HTTP),
    Mutant(_ENTITIES, "narrowed = narrow(query, access)", "narrowed = query", HTTP),
    Mutant(_ROUTES, "any(view.mask.shows(name) and wanted.keeps(name)", "any(wanted.keeps(name)", HTTP),
    Mutant(
        _RENDER,
        "for place, name in enumerate(names) if mask.shows(name))",
        "for place, name in enumerate(names))",
        HTTP,
    ),
    Mutant(_RENDER, "= found[place::attributes]", "= found[gap::attributes]", ("tests/broker/http/test_render.py",)),
    Mutant(_RENDER, "if not shows_all and not mask.shows(name):", "if False:", HTTP),
    Mutant(_RENDER, "strict=True) if view.mask.shows(name)\n", "strict=True)\n", HTTP),
    Mutant(_RENDER, "if view.mask.all and view.modified_at is not None:", "if view.modified_at is not None:", LATER),
    Mutant(_FEATURES, "if attr not in view.names or not view.mask.shows(attr):", "if attr not in view.names:", HTTP),
    Mutant(
        _GUARD,
        "return self._uncovered() if mask is None else self._covered(after, mask, self.written)",
        "return None",
        WRITES,
    ),
    Mutant(_GUARD, "return self._uncovered() if makes else not_found(before.id)", "return self._uncovered()", WRITES),
    Mutant(
        _GUARD,
        "return self._covered(before, mask, self.written) or (None if mask.all else mask.shows)",
        "return None if mask.all else mask.shows",
        WRITES,
    ),
    Mutant(_GUARD, 'if self.change.kind == "delete" and not mask.all:', "if False:", WRITES),
    Mutant(_DEPS, "    if not decision.allow:\n", "    if False:\n", DOOR),
    # histories
    Mutant(
        _AGES,
        "return grant.aggregate_only or grant.resolution_time is not None",
        "return grant.resolution_time is not None",
        HTTP,
    ),
    Mutant(
        _AGES,
        "return grant.aggregate_only or grant.resolution_time is not None",
        "return grant.aggregate_only",
        HTTP,
    ),
    Mutant(_AGES, "start, end = times.canonical(grant.window_from), times", "start, end = None, times", HTTP),
    Mutant(_AGES, "                    attrs = _minus(attrs, one)\n", "                    pass\n", HTTP),
    Mutant(_AGES, "found[replace(shown, attrs=attrs)] = None", "found[replace(shown, attrs=ALL)] = None", HTTP),
    Mutant(_AGES, "tuple(one for one in manage.grants if one.filter == TRUE)", "manage.grants", GONE),
    Mutant(_AGES, "for one in (*manage.prohibitions, *prohibitions)", "for one in manage.prohibitions", GONE),
    Mutant(_EVOLUTIONS, "    if admitted.access != admitted.plain:\n", "    if False:\n", TIME),
    Mutant(_EVOLUTIONS, "start = times.of(admitted.grid.ceil(times.to_datetime(start)))", "pass", TIME),
    Mutant(_EVOLUTIONS, "state = narrow(Query(asked.state), admitted.access).where", "state = asked.state", TIME),
    Mutant(_TIMES, 'if items and set(items) == {"TRUE"}:', 'if "TRUE" in items:', HTTP),
    Mutant(_TIMES, 'parts.append(f"h.observed_at < {self.instant(one.end)}")', "pass", HTTP),
    Mutant(_TIMES, 'found = f"({found}) AND NOT ({_flag(place)} AND {attrs})"', "pass", HTTP),
    Mutant(_TIMES, 'parts.append("strpos(h.body, \'\\"GeoProperty\\"\') = 0")', "pass", TIME),
    Mutant(
        _SOUGHT,
        'AttrSet(complement=True))} AND {sees}"',
        'AttrSet(complement=True))} AND ({sees} OR TRUE)"',
        HTTP,
    ),
    # writes and notifications
    Mutant(_GUARD, "if not any(grant.types is None or name in grant.types", "if not any(True", CHANGES),
    Mutant(
        _GUARD, "hidden = sorted(name for name in touched if not mask.shows(name))", "hidden: list[str] = []", WRITES
    ),
    Mutant(
        _DRAFT,
        "            if not shows(name):\n                whole",
        "            if False:\n                whole",
        CHANGES,
    ),
    Mutant(
        _SUBSCRIPTION,
        "return found if event.members is None else _as(found, event.members.was)",
        "return found",
        CHANGES,
    ),
    Mutant(_NOTIFIER, "    for state in (before, after):\n", "    for state in (after,):\n", TOLD),
    Mutant(_NOTIFIER, "if all(m.shows(one.name) for m in masks)", "if True", TOLD),
    Mutant(
        _NOTIFIER,
        "fires(subscription, replace(event, attrs=seen), shown(state, masks[-1]))",
        "fires(subscription, replace(event, attrs=seen), state)",
        TOLD,
    ),
    Mutant(_NOTIFY, "None if after is None else shown(after, masks[-1])", "after", CHANGES),
    Mutant(_NOTIFY, "                before = shown(before, mask)\n", "                pass\n", TOLD),
    Mutant(_NOTIFY, "        if masks is None:\n", "        if False:\n", TOLD),
    Mutant(
        _NOTIFY,
        "return shown(document(view.id, view.types, view.scopes, view.names, view.segs), view.mask)",
        "return document(view.id, view.types, view.scopes, view.names, view.segs)",
        BEATS,
    ),
    # registrations
    Mutant(_REACH, "[one for one in access.grants if one.filter == TRUE]", "list(access.grants)", SOURCES),
    Mutant(_REACH, "barred = [one.types for one in self._prohibitions if name in one.attrs]", "barred = []", SOURCES),
    Mutant(
        _REACH,
        "types = [one.types for one in self._grants if one.attrs == ALL]",
        "types = [one.types for one in self._grants]",
        SOURCES,
    ),
    Mutant(_REACH, '_HIDDEN = ("contextSourceInfo",)', "_HIDDEN = ()", SOURCES),
    Mutant(_SEARCH, 'parts.append(f"(r.party = {params.text(party)} OR {shown})")', "pass", SOURCES),
    Mutant("broker/ops/registrations.py", "    if lacking is not None:\n", "    if False:\n", SOURCES),
    Mutant(
        "broker/ops/csource_subscriptions.py",
        "found = None if stored is None else registration_search.seen(stored, reach, party)",
        "found = stored",
        TWINS,
    ),
    # who calls, and for how long
    Mutant(
        _TRUST,
        "        self._kept.clear()\n        self._ring.forget()\n",
        "        self._kept.clear()\n",
        (f"{KEYS}::test_revoking_ends_it_on_a_running_trust",),
    ),
    Mutant(
        _TRUST,
        "        self._kept.clear()\n        self._ring.forget()\n",
        "        self._ring.forget()\n",
        (f"{TRUST}::test_a_change_is_in_force_within_a_second",),
    ),
    Mutant(
        _TRUST,
        "or kept.until <= time.time() or self._stale():",
        "or kept.until <= time.time():",
        (f"{TRUST}::test_engine_down_is_no_decision", f"{TRUST}::test_database_down_is_no_decision"),
    ),
    Mutant(_ACCESS_KEYS, "if found.revoked_at is not None:", "if False:", ENDED),
    Mutant(_ACCESS_KEYS, "if found.expires_at <= datetime.now(UTC):", "if False:", ENDED),
    Mutant(
        _ACCESS_KEYS,
        "if found is None or not hmac.compare_digest(found.hash, digest):",
        "if found is None:",
        (f"{KEYS}::test_unknown_keys",),
    ),
    Mutant(
        _ACCESS_KEYS,
        "if changes == self._changes:",
        "if True:",
        (f"{KEYS}::test_a_look_up_that_a_change_overtook_is_not_kept",),
    ),
    Mutant(_PDP, "known = _bound(known, caller.agreement)", "pass", ONLY),
    Mutant(_PDP, "if action not in KEY_ACTIONS:", "if False:", ONLY),
    Mutant(
        _TOKEN, "audience=self._audience,\n                issuer=self._issuer,", "audience=self._audience,", TOKENS
    ),
    Mutant(_TOKEN, "if algorithm not in key.algorithms:", "if False:", TOKENS),
    Mutant("policies/keys.py", 'if document.get("issuer") != self._issuer:', "if False:", DISCOVERY),
    # the rules
    Mutant(
        _REGO,
        "\tconstraints.satisfied(permission)\n}\n\n# METADATA\n# title: Grants",
        "}\n\n# METADATA\n# title: Grants",
        RULES,
    ),
    Mutant(_CONSTRAINTS, '\tagreement.status == "active"\n', "", RULES),
    Mutant(
        _CONSTRAINTS,
        "\tnot ended(agreement)\n\tnot agreement.spent\n",
        "\tnot agreement.spent\n",
        RULES,
    ),
)
