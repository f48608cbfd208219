"""The declaration of a feed: one closed YAML file that a department can write without Python.

`load` reads and checks one file; every complaint names the file and the member. What the members mean is explained in
README.md; the JSON schema is written by `python -m connectors schema`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from connectors.errors import FeedError
from connectors.specs.closed import NAME, Closed, Duration
from connectors.specs.formats import FormatDecoder, Packed
from connectors.specs.protocols import GtfsRtDecoder, LorawanDecoder, ProtocolDecoder
from connectors.specs.push import PushSource
from connectors.specs.sources import FileSource, GbfsSource, HttpSource, MqttSource
from connectors.specs.systems import OneM2MSource, OpcUaSource, SftpSource, SqlSource

__all__ = [
    "Attribute",
    "Coarsen",
    "CsvDecoder",
    "Decoder",
    "EntityMapping",
    "Feed",
    "FileSource",
    "GtfsRtDecoder",
    "HttpSource",
    "JsonDecoder",
    "LorawanDecoder",
    "Minimise",
    "MqttSource",
    "Quality",
    "Rule",
    "load",
    "load_all",
]

_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?\}")


class CsvDecoder(Packed):
    """Rows of a delimited text with a header line."""

    kind: Literal["csv"]
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8-sig"
    columns: tuple[str, ...] | None = Field(default=None, description="names, where the file has no header line")
    max_line: int = Field(default=1_000_000, gt=0)


class JsonDecoder(Packed):
    """A JSON document; `records` (JMESPath) picks the list of records in it."""

    kind: Literal["json"]
    records: str = "@"
    value: str | None = Field(default=None, min_length=1, description="member that a bare number or text becomes")
    max_records: int = Field(default=100_000, gt=0)


Source = Annotated[
    MqttSource
    | HttpSource
    | GbfsSource
    | FileSource
    | PushSource
    | SqlSource
    | SftpSource
    | OpcUaSource
    | OneM2MSource,
    Field(discriminator="kind"),
]
Decoder = Annotated[CsvDecoder | JsonDecoder | ProtocolDecoder | FormatDecoder, Field(discriminator="kind")]


class Coarsen(Closed):
    """Round a number to `decimals`, cut a text to `chars`, or a time to `to`."""

    decimals: int | None = Field(default=None, ge=0, le=9)
    chars: int | None = Field(default=None, ge=0)
    to: Literal["hour", "day", "month", "year"] | None = None

    @model_validator(mode="after")
    def _one(self) -> Coarsen:
        if sum(way is not None for way in (self.decimals, self.chars, self.to)) != 1:
            raise ValueError("needs exactly one of decimals, chars, to")
        return self


class Minimise(Closed):
    """What of a record may leave this process. `keep` is an allow list; paths go down with `/`."""

    keep: tuple[str, ...] = Field(min_length=1)
    coarsen: dict[str, Coarsen] = Field(default_factory=dict)
    hmac: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _declared(self) -> Minimise:
        missing = sorted((set(self.coarsen) | set(self.hmac)) - set(self.keep))
        if missing:
            raise ValueError(f"{', '.join(missing)}: in coarsen or hmac but not in keep")
        both = sorted(set(self.coarsen) & set(self.hmac))
        if both:
            raise ValueError(f"{', '.join(both)}: in coarsen and in hmac")
        return self


class Attribute(Closed):
    """One attribute: an expression (or a constant) for its value, and its unit."""

    type: Literal["Property", "GeoProperty", "Relationship"] = "Property"
    value: str | None = None
    const: str | float | bool | None = None
    unitCode: str | None = None
    observedAt: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Attribute:
        if (self.value is None) == (self.const is None):
            raise ValueError("needs either value (an expression) or const")
        return self


class EntityMapping(Closed):
    """How one entity is made of a record; `when` (an expression) leaves records out."""

    type: str
    id: str
    observedAt: str
    when: str | None = None
    scope: str | None = None
    attributes: dict[str, Attribute] = Field(min_length=1)

    @field_validator("attributes", mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        if isinstance(value, dict):
            return {name: {"value": item} if isinstance(item, str) else item for name, item in value.items()}
        return value


class Rule(Closed):
    """A condition that every record meets; `then` is what to do where it does not."""

    name: str = Field(pattern=NAME)
    expect: str
    then: str
    field: str = ""


class Quality(Closed):
    """What a mapped entity must satisfy, and what its quality is measured against."""

    required: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    expected: tuple[str, ...] = Field(default=(), description="attributes counted by completeness; all when empty")
    ranges: dict[str, tuple[float, float]] = Field(default_factory=dict)
    bounds: tuple[float, float, float, float] | None = Field(default=None, description="west, south, east, north")
    max_age: Duration | None = Field(
        default=None, gt=0, description="timeliness: observed at most so long before receipt"
    )
    earliest: date = Field(default=date(1970, 1, 1), description="observations before this day are refused")
    models: Literal["check", "off"] = Field(default="check", description="hold values against the smart data models")
    reference: str | None = Field(default=None, description="time (expression) to measure age against; else receipt")
    rules: tuple[Rule, ...] = ()


class Feed(Closed):
    """A feed's declaration."""

    feed: str = Field(pattern=NAME, max_length=63)
    title: str
    domain: str = Field(pattern=NAME)
    tenant: str = "default"
    licence: str | None = None
    requires: tuple[str, ...] = Field(default=(), description="variables that must name an existing file or folder")
    instead_of: str | None = Field(default=None, description="takes part only where that feed is not available")
    source: Source
    decoder: Decoder
    key: str = Field(description="source key of a record (expression)")
    minimise: Minimise
    subject: str | None = Field(default=None, description="pseudonym of the person a record is about (expression)")
    tables: dict[str, dict[str, dict[str, Any]]] = Field(default_factory=dict)
    mapping: tuple[EntityMapping, ...] = Field(min_length=1)
    quality: Quality = Quality()

    def missing(self, env: Mapping[str, str]) -> str | None:
        """Say why the feed cannot run here, or None."""
        for name in self.requires:
            path = env.get(name)
            if not path:
                return f"{name} is not set"
            if not Path(path).exists():
                return f"{name} names {path}, which does not exist"
        return None


class _Loader(yaml.SafeLoader):
    """YAML 1.2's booleans: `no`, `on`, `y` stay text (pollutant `no` is a name)."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in found if tag not in {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"}
    ]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def load(path: Path, env: Mapping[str, str] | None = None) -> Feed:
    """Read one declaration; `${NAME}`, `${NAME:-default}` are filled in its source. FeedError when wrong."""
    variables = os.environ if env is None else env
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - derived from SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        raise FeedError(f"{path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise FeedError(f"{path}: is not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise FeedError(f"{path}: a feed is a YAML mapping that starts with 'feed: <name>'")
    if isinstance(raw.get("source"), dict):
        raw["source"] = _filled(raw["source"], variables)
    try:
        feed = Feed.model_validate(raw)
    except ValidationError as error:
        lines = [f"{path}: {'.'.join(map(str, item['loc'])) or 'feed'}: {_said(item)}" for item in error.errors()]
        raise FeedError("\n".join(lines)) from error
    if feed.feed != path.stem:
        raise FeedError(f"{path}: feed: is {feed.feed!r}, but the file is named {path.stem!r}; make them the same")
    return feed


def load_all(folder: Path, env: Mapping[str, str] | None = None) -> dict[str, Feed]:
    """Read every declaration of a folder, by name."""
    found = sorted(folder.glob("*.yaml"))
    if not found:
        raise FeedError(f"{folder}: no feed declarations (*.yaml); DATAPOLIS_CITY names the city folder")
    return {path.stem: load(path, env) for path in found}


def _filled(value: object, env: Mapping[str, str]) -> object:
    if isinstance(value, dict):
        return {name: _filled(item, env) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, env) for item in value]
    if not isinstance(value, str):
        return value
    return _VARIABLE.sub(lambda hit: env.get(hit[1]) or (hit[2] if hit[2] is not None else hit[0]), value)


def _said(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return "is not a member of a feed here; see connectors/README.md for the members"
    return str(item["msg"]).removeprefix("Value error, ")
