"""What every part of a declaration shares: closed to unknown members, durations with units, secrets by variable."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr

from connectors.errors import FeedError

__all__ = ["NAME", "Closed", "Duration", "Secret", "revealed"]

NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")


def _duration(value: object) -> object:
    if isinstance(value, str):
        found = _DURATION.fullmatch(value.strip())
        if found is None:
            raise ValueError("is no duration such as 500ms, 15s, 10m, 1h or 2d")
        number, unit = found.groups()
        return float(number) / 1000 if unit == "ms" else float(number) * _SECONDS[unit]
    return value


def _from_variable(value: SecretStr) -> SecretStr:
    if not value.get_secret_value():
        raise ValueError("is empty; name a variable that holds the secret, such as ${CITY_WEBHOOK_SECRET}")
    return value


def revealed(secret: SecretStr) -> str:
    """Return a secret's text; FeedError where the variable that a declaration names for it is not set."""
    found = secret.get_secret_value()
    if "${" in found:
        raise FeedError(f"source: the variable of a secret is not set: {found}")
    return found


class Closed(BaseModel):
    """A part of a declaration; a member that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Duration = Annotated[float, BeforeValidator(_duration)]
"""Seconds, or a text such as 500ms, 15s, 10m, 1h or 2d."""

Secret = Annotated[SecretStr, AfterValidator(_from_variable)]
"""A secret; a declaration names the variable that holds it (`${NAME}`), never the secret itself."""
