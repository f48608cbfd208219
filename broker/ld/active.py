"""An active @context with what can be known of its terms in advance.

Theory of operation. pyld reads a local @context into an active one, once; everything here is look-ups in that. A term's
meaning is worked out by pyld's own rules on first use and kept: as a `Plan` for expansion, as a term per (IRI, kind of
value) for compaction. The number of names kept is bounded, since they come from requests.

The user's @context is flattened to plain term maps before it gets here (`broker.ld.contexts`), and the core @context
comes last, so that no user term can stand for a core one (CIM 009 V1.9.1, 4.4, 5.5.7).
"""

from __future__ import annotations

import copy
import hashlib
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeVar

import orjson
from pyld import jsonld
from pyld.context_resolver import ContextResolver

from broker.core.entity import CORE, INSTANCE_MEMBERS
from broker.core.errors import BadRequestData, InternalError
from broker.core.ids import is_name
from broker.core.plain import CORE_NAMES, is_attribute_name
from ontologies import load

__all__ = [
    "DROP",
    "HARD",
    "ID",
    "JSON",
    "LANGUAGE",
    "LIST",
    "PLAIN",
    "TYPE",
    "VALUE",
    "Active",
    "Plan",
    "Term",
    "Unsupported",
    "content_hash",
]

PLAIN, LIST, LANGUAGE, JSON, ID, TYPE, VALUE, DROP, HARD = range(9)
"""What to do with a key on expansion. HARD: a construct that is left to pyld."""

_MAX_NAMES: Final = 10_000
_ABSOLUTE: Final = re.compile(r"^([A-Za-z][A-Za-z0-9+-.]*|_):[^\s]*$")
_HARD_CONTAINERS: Final = frozenset({"@index", "@id", "@type", "@graph"})


class Unsupported(Exception):
    """The document uses a JSON-LD construct that the dictionary walk leaves to pyld."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a key expands: what to do, its IRI, and how its string values are read."""

    do: int
    iri: str
    coerce: str | None = None
    language: str | None = None
    direction: str | None = None
    tagged: bool = False
    """Whether strings get a language or direction."""


@dataclass(frozen=True, slots=True)
class Term:
    """The term that an IRI compacts to, and the rules of that term for its values."""

    name: str
    coerce: str | None
    language: str | None
    containers: frozenset[str]
    hard: bool
    simple: bool
    """Whether a value stands under the term as it is: no container, no construct that is left to pyld."""


def content_hash(flat: Sequence[Mapping[str, Any]]) -> str:
    """Name a flattened user @context by its content."""
    return hashlib.sha256(orjson.dumps(flat, option=orjson.OPT_SORT_KEYS)).hexdigest()


class Active:
    """One resolved @context. Immutable in meaning; its memory of names grows up to a bound.

    `source` is what answers carry as their @context: the user's, as it was given (None: the core alone).
    """

    def __init__(self, flat: Sequence[dict[str, Any]] = (), source: Any = None) -> None:
        self.source = source
        self.content = content_hash(flat)
        self.processor = jsonld.JsonLdProcessor()
        self.options = {
            "processingMode": "json-ld-1.1",
            "base": "",
            "isFrame": False,
            "keepFreeFloatingNodes": False,
            "compactArrays": True,
            "graph": False,
            "link": False,
            "documentLoader": _load,
            "contextResolver": ContextResolver({}, _load),
        }
        initial = self.processor._get_initial_context(self.options)
        local = [*flat, load.context(load.CORE_CONTEXT)["@context"]]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)  # a term such as "@foo" is ignored, by the standard
                self.context: dict[str, Any] = self.processor.process_context(initial, local, self.options)
            self.mappings: Mapping[str, Any] = self.context["mappings"]
            self.inverse: Mapping[str, Any] = self.processor._get_inverse_context(self.context)
            if flat:
                _share(self.mappings, _core().mappings)
                _share(self.inverse, _core().inverse)
            self._prepare()
        except jsonld.JsonLdError as error:
            raise BadRequestData(f"@context: {error.args[0] if error.args else error}") from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # pyld does not check every member of a definition before it uses it
            raise BadRequestData(f"@context: a definition in it is malformed ({error!r:.80})") from error

    def under(self, source: Any) -> Active:
        """Return the same context under the name that another request gave it; what is known of names is shared."""
        found = copy.copy(self)
        found.source = source
        return found

    def _prepare(self) -> None:
        prefixes = {name: one["@id"] for name, one in self.mappings.items() if one and one["_prefix"] and one["@id"]}
        self._prefix_iris = tuple(set(prefixes.values()))
        self._prefix_names = tuple(name + ":" for name in prefixes)
        self._slow_ids = "@base" in self.context or any(":" in name for name in self.mappings)
        self._scoped = frozenset(name for name, one in self.mappings.items() if one and "@context" in one)
        self.default_language: str | None = self.context.get("@language")
        self.hard = bool(self.context.get("@direction")) or "previousContext" in self.context
        self.vocab: str = self.context.get("@vocab", "")
        self.plans: dict[str, Plan] = {}
        self.terms: dict[tuple[str, str], Term] = {}
        self.plain: dict[str, Term] = {}
        self.nodes: dict[str, Term] = {}
        self._names: dict[str, str | None] = {}
        self._members: dict[str, str] = {}
        self._attributes: dict[str, str | None] = {}
        self._attrs: dict[str, str] = {}
        self._vocabs: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self.alias_id = self.compact_keyword("@id")
        self.alias_type = self.compact_keyword("@type")
        self.alias_value = self.compact_keyword("@value")
        self.alias_language = self.compact_keyword("@language")
        self.alias_list = self.compact_keyword("@list")
        self.alias_none = self.compact_keyword("@none")
        self.core_names_stand = all(self.member(name) == name for name in CORE_NAMES)

    # -- expansion ----------------------------------------------------------------------------------------------

    def expand_iri(self, name: str) -> str | None:
        """Expand a term, prefixed name or IRI against the vocabulary; None if the context maps it to nothing."""
        try:
            return self._names[name]
        except KeyError:
            found: str | None = self.processor._expand_iri(self.context, name, vocab=True, base="")
            return _keep(self._names, name, found)

    def expand_id(self, text: str) -> str:
        """Expand a document's or object's identifier, which is never a term."""
        if text[:1] == "@":
            raise Unsupported
        prefix, colon, rest = text.partition(":")
        if colon and prefix and not rest.startswith("//") and prefix in self.mappings:
            return str(self.processor._expand_iri(self.context, text, base=""))
        if colon and prefix and _ABSOLUTE.match(text):
            return text
        return str(self.processor._expand_iri(self.context, text, base=""))

    def plan(self, key: str) -> Plan:
        """Work out how a key expands, and keep it."""
        return _keep(self.plans, key, self._plan(key))

    def _plan(self, key: str) -> Plan:
        iri = self.processor._expand_iri(self.context, key, vocab=True)
        if iri is None:
            return Plan(DROP, "")
        if iri in ("@id", "@type", "@value"):
            return Plan({"@id": ID, "@type": TYPE, "@value": VALUE}[iri], iri)
        if iri.startswith("@"):
            return Plan(HARD, iri)
        if not _ABSOLUTE.match(iri):
            return Plan(DROP, "")
        mapping = self.mappings.get(key)
        if mapping and (mapping.get("reverse") or "@context" in mapping or mapping.get("@nest")):
            return Plan(HARD, iri)
        value = self.processor.get_context_value
        containers = set(self.processor.arrayify(value(self.context, key, "@container") or []))
        if containers & _HARD_CONTAINERS:
            return Plan(HARD, iri)
        coerce = value(self.context, key, "@type")
        if coerce == "@json":
            return Plan(JSON, iri)
        do = LANGUAGE if "@language" in containers else LIST if "@list" in containers else PLAIN
        language = value(self.context, key, "@language")
        direction = value(self.context, key, "@direction")
        tagged = language is not None or direction is not None
        return Plan(do, iri, None if coerce == "@none" else coerce, language, direction, tagged)

    def is_scoped_type(self, name: Any) -> bool:
        """Say whether a type's term brings a context of its own."""
        return name in self._scoped

    # -- compaction ---------------------------------------------------------------------------------------------

    def compact_keyword(self, keyword: str) -> str:
        """Return the alias of a keyword."""
        return str(self.processor._compact_iri(self.context, keyword))

    def compact_vocab(self, iri: str) -> str:
        """Compact an IRI against the vocabulary, by JSON-LD's rules alone."""
        try:
            return self._vocabs[iri]
        except KeyError:
            return _keep(self._vocabs, iri, str(self._compact(iri, None)))

    def compact_id(self, iri: str) -> str:
        """Compact an identifier, which never becomes a term but may become a prefixed name."""
        if self._slow_ids or iri.startswith(self._prefix_iris) or iri.startswith(self._prefix_names):
            return str(self._compact(iri, None, vocab=False))
        return iri

    def is_term(self, iri: str) -> bool:
        """Say whether an IRI has a term of its own."""
        if iri not in self.inverse:
            return False
        mapping = self.mappings.get(self.compact_vocab(iri))
        return bool(mapping and mapping["@id"] == iri)

    def term(self, iri: str, kind: str, value: Any) -> Term:
        """Choose the term for a property with a value of this kind, and keep the choice.

        `kind` has to tell values apart wherever JSON-LD's term selection does.
        """
        name = str(self._compact(iri, value))
        mapping = self.mappings.get(name) or {}
        context_value = self.processor.get_context_value
        containers = frozenset(self.processor.arrayify(context_value(self.context, name, "@container") or []))
        hard = bool(
            containers & _HARD_CONTAINERS or mapping.get("@nest") or mapping.get("reverse") or "@context" in mapping
        )
        coerce = context_value(self.context, name, "@type")
        language = context_value(self.context, name, "@language")
        simple = not hard and not containers and coerce != "@none"
        found = Term(name, coerce, language, containers, hard, simple)
        if kind == "v":
            _keep(self.plain, iri, found)
        elif kind == "o":
            _keep(self.nodes, iri, found)
        return _keep(self.terms, (iri, kind), found)

    def term_of(self, iri: str, kind: str, value: Any) -> Term:
        """Return the term chosen for this kind of value."""
        return self.terms.get((iri, kind)) or self.term(iri, kind, value)

    def _compact(self, iri: str, value: Any, *, vocab: bool = True) -> Any:
        try:
            return self.processor._compact_iri(self.context, iri, value, vocab=vocab, base="")
        except jsonld.JsonLdError:
            return iri

    # -- the broker's own form ----------------------------------------------------------------------------------

    def member(self, key: str) -> str:
        """Return the internal name of a key: the short name of a core member, else the IRI; BadRequestData if none."""
        try:
            return self._members[key]
        except KeyError:
            return _keep(self._members, key, self._member(key))

    def attribute(self, key: str) -> str | None:
        """Return the IRI of a key that names an attribute; None for any other member. Raises as `member` does."""
        try:
            return self._attributes[key]
        except KeyError:
            name = self.member(key)
            return _keep(self._attributes, key, name if is_attribute_name(name) else None)

    def _member(self, key: str) -> str:
        if not is_name(key) and key not in ("@id", "@type"):
            raise BadRequestData(f"{key!r:.80}: not a name (a letter, then letters, numbers and '_'; or an IRI)")
        iri = self.expand_iri(key)
        if iri == "@id":
            return "id"
        if iri == "@type":
            return "type"
        if iri is None or not _ABSOLUTE.match(iri):
            raise BadRequestData(f"{key!r:.80}: the @context gives it no IRI")
        return _CORE_MEMBERS.get(iri, iri)

    def expand_term(self, name: str) -> str:
        """Expand an attribute or type name; BadRequestData if it is none."""
        if not is_name(name):
            raise BadRequestData(f"{name!r:.80}: not a name (a letter, then letters, numbers and '_'; or an IRI)")
        iri = self.expand_iri(name)
        if iri is None or not _ABSOLUTE.match(iri):
            raise BadRequestData(f"{name!r:.80}: the @context gives it no IRI")
        return iri

    def attr(self, iri: str) -> str:
        """Compact an attribute's name."""
        try:
            return self._attrs[iri]
        except KeyError:
            return _keep(self._attrs, iri, self._chosen(iri, {}))

    def name(self, iri: str) -> str:
        """Compact a name that stands as a value: an entity type, a vocab, an object type."""
        try:
            return self._values[iri]
        except KeyError:
            return _keep(self._values, iri, self._chosen(iri, None))

    def key(self, iri: str, value: Any) -> str:
        """Compact a key inside a compound value; which term fits depends on the kind of value."""
        if isinstance(value, list) and value:
            value = value[0]
        kind = "n" if isinstance(value, dict) else "s" if isinstance(value, str) else "v"
        try:
            return self._keys[iri, kind]
        except KeyError:
            sample = {} if kind == "n" else {"@value": "" if kind == "s" else 0}
            return _keep(self._keys, (iri, kind), self._chosen(iri, sample))

    def _chosen(self, iri: str, value: Any) -> str:
        """Choose a term as JSON-LD does; where its rules leave only the IRI, take a term of that IRI all the same.

        An attribute is an object, so JSON-LD has no term for it where the term's definition coerces a datatype, as 4.4
        recommends; the term still expands to the same IRI.
        """
        if ":" not in iri:
            return iri
        found = str(self._compact(iri, value))
        mapping = self.mappings.get(found)
        if iri not in self.inverse or (mapping and mapping["@id"] == iri):
            return found
        terms = [entry["@any"]["@none"] for entry in self.inverse[iri].values() if "@none" in entry["@any"]]
        usable = [term for term in terms if not self.mappings[term]["reverse"]]
        return min(usable, key=lambda term: (len(term), term), default=found)


@lru_cache(maxsize=1)
def _core() -> Active:
    """Give the core context alone."""
    return Active()


def _share(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Keep once what two contexts say alike: nearly all that a city's context holds is the core one's."""
    for name, said in theirs.items():
        if isinstance(mine, dict) and mine.get(name) == said:
            mine[name] = said


def _core_members() -> dict[str, str]:
    """Map the IRIs of core members to their short names."""
    terms = load.context(load.CORE_CONTEXT)["@context"]
    found: dict[str, str] = {}
    for name in (*INSTANCE_MEMBERS, "scope"):
        definition = terms.get(name)
        iri = definition.get("@id") if isinstance(definition, dict) else definition
        if isinstance(iri, str) and iri.startswith("ngsi-ld:"):
            found[CORE + iri[len("ngsi-ld:") :]] = name
    return found


_CORE_MEMBERS: Final = _core_members()

_K = TypeVar("_K")
_V = TypeVar("_V")


def _keep(memory: dict[_K, _V], key: _K, value: _V) -> _V:
    """Remember a look-up; when there are too many, all are forgotten."""
    if len(memory) >= _MAX_NAMES:
        memory.clear()
    memory[key] = value
    return value


def _load(url: str, options: Any) -> dict[str, Any]:
    """Give pyld a built-in context; anything else was to be fetched before, so asking for it is our own fault."""
    try:
        document = load.context(url)
    except KeyError as error:
        raise InternalError(f"@context {url} was not fetched before it was needed") from error
    return {"contentType": "application/ld+json", "contextUrl": None, "documentUrl": url, "document": document}
