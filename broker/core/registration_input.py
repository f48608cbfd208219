"""A CSourceRegistration as it comes in: validated, and in expanded form (CIM 009 V1.9.1, 5.2.9 to 5.2.11, 5.2.34).

Errors name the member. What is kept: the members of table 5.2.9-1 by their names, and every other member, which is an
additional property of the source (5.9.1), by its expanded name under `properties`, its value as it was given. Output
members (table 5.2.9-2) are ignored, as the clause says.

- SPEC 5.2.8: an EntityInfo without a type is taken, as ETSI's own tests have it; it stands for any type.
- SPEC 4.3.6.3: an exclusive registration is about one entity: every EntityInfo names the same id.
- SPEC 5.9.2.4: an auxiliary registration that says no operations has retrieveOps, the most that it may; the clause can
  also be read so that it is refused, but 4.3.6.2 says that such are always accepted.
- SPEC 5.2.9: an endpoint is an http or https URL, the only binding there is. It is not called on registration.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import orjson

from broker.core import times
from broker.core.entity import CORE
from broker.core.errors import BadRequestData
from broker.core.geometry import fault
from broker.core.ids import NULL, parse_entity_id, parse_tenant, parse_uri
from broker.core.pattern import pattern
from broker.core.registration import GROUPS, MODES, OPERATIONS
from broker.core.validate import MAX_DEPTH

__all__ = ["MOST_BYTES", "MOST_ENTITIES", "fragment", "read"]

Expand = Callable[[str], str]

MOST_ENTITIES: Final = 1000
"""EntityInfos of one registration, those of all its RegistrationInfos together."""
MOST_BYTES: Final = 1_000_000
"""Bytes of one registration in expanded form."""
_MOST_NAMES: Final = 200
_READ_ONLY: Final = frozenset(
    {"@context", "createdAt", "lastFailure", "lastSuccess", "modifiedAt", "status", "timesFailed", "timesSent"}
)
_MANDATORY: Final = ("id", "type", "endpoint", "information")
_AUXILIARY: Final = frozenset({"retrieveOps", "retrieveEntity", "queryEntity"})
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
_HEADER_TEXT: Final = re.compile(r"[\x20-\x7e\x80-\xff\t]{0,4096}")
_SCOPE: Final = re.compile(r"/?[^\W\d_]\w*(/[^\W\d_]\w*)*")
_DURATION: Final = re.compile(
    r"P(?=[0-9T])(?:[0-9]+Y)?(?:[0-9]+M)?(?:[0-9]+W)?(?:[0-9]+D)?"
    r"(?:T(?=[0-9])(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+(?:[.,][0-9]+)?S)?)?"
)
_FROM_REQUEST: Final = "urn:ngsi-ld:request"
_MEDIA: Final = ("application/json", "application/ld+json")
_VERSION: Final = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}")


def read(data: Any, expand: Expand, now: str) -> dict[str, Any]:
    """Validate a registration and return it in expanded form (5.9.2); `id` is in it only if it was given."""
    given = _object(data, "registration")
    if given.get("type") != "ContextSourceRegistration":
        raise BadRequestData("type: must be ContextSourceRegistration")
    _shallow(given)
    found = _members(given, expand, now)
    for name in ("information", "endpoint"):
        if name not in found:
            raise BadRequestData(f"{name}: missing")
    if "id" in given:
        found["id"] = parse_entity_id(given["id"])
    _whole(found)
    return found


def fragment(stored: Mapping[str, Any], id: str, data: Any, expand: Expand, now: str) -> dict[str, Any]:
    """Merge a CSourceRegistration Fragment into a stored registration (5.9.3); null removes what is not mandatory.

    SPEC 5.4: JSON null removes a member as the NGSI-LD Null does; ETSI's own tests write it so.
    """
    given = _object(data, "registration")
    if given.get("type", "ContextSourceRegistration") != "ContextSourceRegistration":
        raise BadRequestData("type: must be ContextSourceRegistration")
    if given.get("id", id) != id:
        raise BadRequestData("id: cannot be changed")
    _shallow(given)
    gone = {name for name, value in given.items() if value is None or value == NULL}
    for name in _MANDATORY:
        if name in gone:
            raise BadRequestData(f"{name}: is mandatory and cannot be removed")
    members = _members({name: value for name, value in given.items() if name not in gone}, expand, now)
    own = {**stored.get("properties", {}), **members.pop("properties", {})}
    for name in gone:
        if name not in _READERS and name not in _READ_ONLY:
            own.pop(expand(name), None)
    found = {name: value for name, value in {**stored, **members}.items() if name not in gone}
    found.pop("properties", None)
    if own:
        found["properties"] = own
    _whole(found)
    return found


def _members(given: Mapping[str, Any], expand: Expand, now: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for name, value in given.items():
        reader = _READERS.get(name)
        if reader is not None:
            found[name] = reader(value, name, expand)
        elif name not in _READ_ONLY and name not in ("id", "type"):
            own[_own_name(name, value, expand)] = value
    if found.get("expiresAt", "~") <= now:
        raise BadRequestData("expiresAt: lies in the past")
    if own:
        found["properties"] = own
    return found


def _own_name(name: str, value: Any, expand: Expand) -> str:
    if value is None or value == NULL:
        raise BadRequestData(f"{name:.80}: null is for updates only")
    found = expand(name)
    local = found.removeprefix(CORE)
    if local in _READERS or local in _READ_ONLY or local in ("id", "type"):
        raise BadRequestData(f"{name:.80}: write this member as {local}")
    return found


def _shallow(given: Mapping[str, Any]) -> None:
    """Refuse a member that is nested deeper than anything that it may hold."""
    for name, value in given.items():
        level, depth = [value], 0
        while level:
            if depth > MAX_DEPTH:
                raise BadRequestData(f"{name:.80}: nested deeper than {MAX_DEPTH}")
            level = [
                inner
                for one in level
                if isinstance(one, dict | list)
                for inner in (one.values() if isinstance(one, dict) else one)
                if isinstance(inner, dict | list)
            ]
            depth += 1


def _whole(found: Mapping[str, Any]) -> None:
    """Check how long it is, and what members demand of each other (4.3.6.3, 5.9.2.4)."""
    if len(orjson.dumps(found)) > MOST_BYTES:
        raise BadRequestData(f"registration: longer than {MOST_BYTES} bytes with all its members")
    entities = [entity for info in found["information"] for entity in info.get("entities", ())]
    if len(entities) > MOST_ENTITIES:
        raise BadRequestData(f"information: has {len(entities)} EntityInfos; at most {MOST_ENTITIES} are taken")
    mode = found.get("mode", "inclusive")
    if mode == "exclusive":
        for at, info in enumerate(found["information"]):
            if not info.get("entities") or not all("id" in one for one in info["entities"]):
                raise BadRequestData(
                    f"information[{at}].entities: an exclusive registration names the id of its entity (4.3.6.3)"
                )
            if not info.get("propertyNames") and not info.get("relationshipNames"):
                raise BadRequestData(
                    f"information[{at}]: an exclusive registration names attributes, in propertyNames or "
                    "relationshipNames (4.3.6.3)"
                )
        if len({one["id"] for one in entities}) > 1:
            raise BadRequestData("information: an exclusive registration is about one entity (4.3.6.3)")
    if mode == "auxiliary" and not _AUXILIARY.issuperset(found.get("operations", ())):
        raise BadRequestData(
            f"operations: an auxiliary registration has some of {', '.join(sorted(_AUXILIARY))}, no others (5.9.2.4)"
        )


def _information(value: Any, name: str, expand: Expand) -> list[dict[str, Any]]:
    return [_info(one, f"{name}[{at}]", expand) for at, one in enumerate(_array(value, name))]


def _info(value: Any, where: str, expand: Expand) -> dict[str, Any]:
    given = _object(value, where)
    found: dict[str, Any] = {}
    for member, one in given.items():
        at = f"{where}.{member}"
        if member == "entities":
            found[member] = [_entity(item, f"{at}[{n}]", expand) for n, item in enumerate(_array(one, at))]
        elif member in ("propertyNames", "relationshipNames"):
            found[member] = _names(one, at, expand)
        else:
            raise BadRequestData(f"{at:.120}: a RegistrationInfo has no such member (5.2.10)")
    if not found:
        raise BadRequestData(f"{where}: needs at least one of entities, propertyNames and relationshipNames (5.2.10)")
    return found


def _entity(value: Any, where: str, expand: Expand) -> dict[str, Any]:
    given = _object(value, where)
    found: dict[str, Any] = {}
    for member, one in given.items():
        at = f"{where}.{member}"
        if member == "type":
            found[member] = _names(one if isinstance(one, list) else [one], at, expand)
        elif member == "id":
            found[member] = parse_entity_id(one, at)
        elif member == "idPattern":
            found[member] = _text(one, at)
            pattern(found[member])
        else:
            raise BadRequestData(f"{at:.120}: an EntityInfo has no such member (5.2.8)")
    if not found:
        raise BadRequestData(f"{where}: at least one of type, id and idPattern is needed (5.2.8)")
    return found


def _names(value: Any, name: str, expand: Expand) -> list[str]:
    found = []
    for at, one in enumerate(_array(value, name)):
        text = _text(one, f"{name}[{at}]")
        try:
            found.append(expand(text))
        except BadRequestData as error:
            raise BadRequestData(f"{name}[{at}]: {error.detail}") from error
    return list(dict.fromkeys(found))


def _endpoint(value: Any, name: str, _: Expand) -> str:
    found = parse_uri(value, name)
    scheme, _colon, rest = found.partition("://")
    if scheme.lower() not in ("http", "https") or not rest.strip("/"):
        raise BadRequestData(f"{name}: must be an http or https URL with a host")
    return found


def _source_info(value: Any, name: str, _: Expand) -> list[dict[str, str]]:
    return [_pair(one, f"{name}[{at}]") for at, one in enumerate(_array(value, name))]


def _pair(value: Any, where: str) -> dict[str, str]:
    given = _object(value, where)
    if given.keys() != {"key", "value"}:
        raise BadRequestData(f"{where}: needs key and value, and nothing else (5.2.22)")
    key, text = given["key"], given["value"]
    if not isinstance(key, str) or _TOKEN.fullmatch(key) is None:
        raise BadRequestData(f"{where}.key: cannot name an HTTP header")
    if not isinstance(text, str) or _HEADER_TEXT.fullmatch(text) is None:
        raise BadRequestData(f"{where}.value: cannot be the value of an HTTP header")
    if key.lower() == "ngsild-tenant":
        raise BadRequestData(f"{where}.key: the tenant is said by the member tenant (4.3.6.5)")
    if text == _FROM_REQUEST:
        return {"key": key, "value": text}
    if key in ("accept", "contentType") and text not in _MEDIA:
        raise BadRequestData(f"{where}.value: {key} must be {' or '.join(_MEDIA)} (4.3.6.6)")
    if key == "jsonldContext":
        parse_uri(text, f"{where}.value")
    if key == "ngsildConformance" and _VERSION.fullmatch(text) is None:
        raise BadRequestData(f"{where}.value: ngsildConformance must be major.minor, such as 1.5 (4.3.6.6)")
    return {"key": key, "value": text}


def _operations(value: Any, name: str, _: Expand) -> list[str]:
    for at, one in enumerate(_array(value, name)):
        if not isinstance(one, str) or (one not in OPERATIONS and one not in GROUPS):
            raise BadRequestData(f"{name}[{at}]: {one!r:.60} is no operation or group of operations (4.20)")
    return list(dict.fromkeys(cast("list[str]", value)))


def _mode(value: Any, name: str, _: Expand) -> str:
    if value not in MODES:
        raise BadRequestData(f"{name}: must be one of {', '.join(MODES)}")
    return cast(str, value)


def _geometry(value: Any, name: str, _: Expand) -> Any:
    found = fault(value)
    if found is not None:
        raise BadRequestData(f"{name}: {found}")
    return value


def _interval(value: Any, name: str, _: Expand) -> dict[str, str]:
    given = _object(value, name)
    unknown = next((one for one in given if one not in ("startAt", "endAt")), None)
    if unknown is not None:
        raise BadRequestData(f"{name}.{unknown:.80}: a TimeInterval has no such member (5.2.11)")
    if "startAt" not in given:
        raise BadRequestData(f"{name}.startAt: missing")
    found = {member: times.parse(one, f"{name}.{member}") for member, one in given.items()}
    if found.get("endAt", "~") < found["startAt"]:
        raise BadRequestData(f"{name}.endAt: lies before startAt")
    return found


def _management(value: Any, name: str, _: Expand) -> dict[str, Any]:
    given = _object(value, name)
    for member, one in given.items():
        at = f"{name}.{member}"
        if member == "cacheDuration":
            _duration(one, at, str)
        elif member in ("cooldown", "timeout"):
            if isinstance(one, bool) or not isinstance(one, int | float) or one <= 0:
                raise BadRequestData(f"{at}: must be a number of milliseconds greater than 0")
        elif member == "localOnly":
            if not isinstance(one, bool):
                raise BadRequestData(f"{at}: must be true or false")
        else:
            raise BadRequestData(f"{at:.120}: RegistrationManagementInfo has no such member (5.2.34)")
    return given


def _duration(value: Any, name: str, _: Expand) -> str:
    if not isinstance(value, str) or len(value) > 64 or _DURATION.fullmatch(value) is None:
        raise BadRequestData(f"{name}: {value!r:.60} is no duration such as PT5M (ISO 8601)")
    return value


def _scopes(value: Any, name: str, _: Expand) -> list[str]:
    items = value if isinstance(value, list) else [value]
    for one in _array(items, name):
        if not isinstance(one, str) or _SCOPE.fullmatch(one) is None:
            raise BadRequestData(f"{name}: {one!r:.80} is no scope such as /Madrid/Centro (4.18)")
    return ["/" + one.removeprefix("/") for one in items]


def _datasets(value: Any, name: str, _: Expand) -> list[str]:
    return [one if one == "@none" else parse_uri(one, f"{name}[{at}]") for at, one in enumerate(_array(value, name))]


def _alias(value: Any, name: str, _: Expand) -> str:
    if not isinstance(value, str) or _TOKEN.fullmatch(value) is None:
        raise BadRequestData(f"{name}: must be a pseudonym of RFC 7230: letters, digits and !#$%&'*+-.^_`|~")
    return value


def _tenant(value: Any, name: str, _: Expand) -> str:
    return str(parse_tenant(_text(value, name)))


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequestData(f"{name}: must be a JSON object")
    return value


def _array(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list) or not 1 <= len(value) <= _MOST_NAMES:
        raise BadRequestData(f"{name}: must be an array of 1 to {_MOST_NAMES} items")
    return value


def _text(value: Any, name: str, _: Any = None) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 8192:
        raise BadRequestData(f"{name}: must be a string, not empty")
    return value


_READERS: Final[Mapping[str, Callable[[Any, str, Expand], Any]]] = {
    "contextSourceAlias": _alias,
    "contextSourceInfo": _source_info,
    "datasetId": _datasets,
    "description": _text,
    "endpoint": _endpoint,
    "expiresAt": lambda value, name, _: times.parse(value, name),
    "information": _information,
    "location": _geometry,
    "management": _management,
    "managementInterval": _interval,
    "mode": _mode,
    "observationInterval": _interval,
    "observationSpace": _geometry,
    "operationSpace": _geometry,
    "operations": _operations,
    "refreshRate": _duration,
    "registrationName": _text,
    "scope": _scopes,
    "tenant": _tenant,
}
