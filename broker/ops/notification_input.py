"""How a subscriber is to be notified: NotificationParams and Endpoint, checked (CIM 009 V1.9.1, 5.2.14, 5.2.15)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from broker.core.errors import BadRequestData, OperationNotSupported
from broker.core.ids import parse_uri
from broker.core.parse_project import depth, parse_projection
from broker.ops.members import Expand, array, flag, json_object, names, text

__all__ = ["check_projection", "notification_params"]

_NOTIFICATION_OUT: Final = (
    "lastFailure",
    "lastNotification",
    "lastSuccess",
    "status",
    "timesFailed",
    "timesSent",
)
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
_TEXT: Final = re.compile(r"[\x20-\x7e\x80-\xff\t]{0,4096}")
_OWN_HEADERS: Final = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "link", "upgrade", "te", "trailer"}
)


def notification_params(value: Any, name: str, expand: Expand) -> dict[str, Any]:
    """Check NotificationParams and return them with expanded names. Errors name the member."""
    given = json_object(value, name)
    found: dict[str, Any] = {}
    for member, one in given.items():
        where = f"{name}.{member}"
        if member == "attributes":
            found[member] = names(one, where, expand)
        elif member == "format":
            if one not in ("normalized", "concise", "simplified", "keyValues"):
                raise BadRequestData(f"{where}: must be normalized, concise, simplified or keyValues")
            found[member] = one
        elif member == "endpoint":
            found[member] = _endpoint(one, where)
        elif member in ("pick", "omit"):
            found[member] = _members(one, where, expand)
        elif member == "showChanges":
            found[member] = flag(one, where)
        elif member in ("join", "joinLevel", "sysAttrs"):
            if one not in (False, "@none"):
                raise OperationNotSupported(f"{where}: notifications with this member are not supported")
        elif member not in _NOTIFICATION_OUT:
            raise BadRequestData(f"{where}: NotificationParams has no such member (5.2.14)")
    if "endpoint" not in found:
        raise BadRequestData(f"{name}.endpoint: missing")
    return found


def check_projection(params: Mapping[str, Any], name: str) -> None:
    """Check that what a notification is to hold can be said together (5.2.14.1)."""
    if "attributes" in params and ("pick" in params or "omit" in params):
        raise BadRequestData(
            f"{name}.attributes: is another word for pick and cannot stand beside pick or omit (5.2.14)"
        )
    if params.get("showChanges") and params.get("format") in ("simplified", "keyValues"):
        raise BadRequestData(f"{name}.showChanges: cannot be true where format is simplified or keyValues (5.2.14)")
    both = next((one for one in params.get("omit", ()) if one in params.get("pick", ())), None)
    if both is not None:
        raise BadRequestData(f"{name}.omit: {both} stands in pick as well (4.21)")


def _members(value: Any, name: str, expand: Expand) -> list[str]:
    """Read members' names (4.21): id, type, scope, and attributes, expanded."""
    found: list[str] = []
    for at, one in enumerate(array(value, name)):
        tree = parse_projection(text(one, f"{name}[{at}]"), f"{name}[{at}]", expand)
        if depth(tree):
            raise OperationNotSupported(
                f"{name}[{at}]: projections of linked entities need join, which is not supported"
            )
        found += tree
    return list(dict.fromkeys(found))


def _endpoint(value: Any, where: str) -> dict[str, Any]:
    given = json_object(value, where)
    uri = parse_uri(given.get("uri"), f"{where}.uri")
    scheme = uri.partition(":")[0].lower()
    if scheme in ("mqtt", "mqtts"):
        raise OperationNotSupported(f"{where}.uri: {scheme} notifications are not supported; http and https are")
    if scheme not in ("http", "https") or not uri.partition("://")[2].strip("/"):
        raise BadRequestData(f"{where}.uri: must be an http or https URL with a host")
    found: dict[str, Any] = {"uri": uri}
    for member, one in given.items():
        at = f"{where}.{member}"
        if member == "accept":
            if one not in ("application/json", "application/ld+json", "application/geo+json"):
                raise BadRequestData(f"{at}: must be application/json, application/ld+json or application/geo+json")
            found[member] = one
        elif member == "receiverInfo":
            found[member] = [_pair(item, f"{at}[{n}]") for n, item in enumerate(array(one, at))]
        elif member in ("timeout", "cooldown"):
            if isinstance(one, bool) or not isinstance(one, int | float) or one <= 0:
                raise BadRequestData(f"{at}: must be a number of milliseconds greater than 0")
            found[member] = one
        elif member == "notifierInfo":
            raise OperationNotSupported(f"{at}: is for bindings other than HTTP, which are not supported")
        elif member != "uri":
            raise BadRequestData(f"{at}: an Endpoint has no such member (5.2.15)")
    return found


def _pair(value: Any, where: str) -> dict[str, str]:
    given = json_object(value, where)
    if given.keys() != {"key", "value"}:
        raise BadRequestData(f"{where}: needs key and value, and nothing else (5.2.22)")
    key, said = text(given["key"], f"{where}.key"), given["value"]
    if _TOKEN.fullmatch(key) is None:
        raise BadRequestData(f"{where}.key: cannot name an HTTP header")
    if key.lower() in _OWN_HEADERS:
        raise BadRequestData(f"{where}.key: {key} is set by the broker itself")
    if not isinstance(said, str) or _TEXT.fullmatch(said) is None:
        raise BadRequestData(f"{where}.value: cannot be the value of an HTTP header")
    return {"key": key, "value": said}
