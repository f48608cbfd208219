"""The terms of the EU authority tables that the catalog uses, and how a city's short forms map to them.

Only the codes used here are listed, with the labels the Publications Office gives them; the tables themselves are at
https://op.europa.eu/en/web/eu-vocabularies. What is no known code and no IRI raises `UnknownTerm`.
"""

from __future__ import annotations

from typing import Final

from catalog.dataset import Classification

__all__ = [
    "ACCESS_RIGHTS",
    "AUTHORITY",
    "FREQUENCIES",
    "LICENCES",
    "MEDIA_TYPES",
    "THEMES",
    "UnknownTerm",
    "access_right",
    "frequency",
    "language",
    "licence",
    "licence_label",
    "theme",
]

AUTHORITY: Final = "http://publications.europa.eu/resource/authority/"
MEDIA_TYPES: Final = "http://www.iana.org/assignments/media-types/"

THEMES: Final = {
    "AGRI": "Agriculture, fisheries, forestry and food",
    "ECON": "Economy and finance",
    "EDUC": "Education, culture and sport",
    "ENER": "Energy",
    "ENVI": "Environment",
    "GOVE": "Government and public sector",
    "HEAL": "Health",
    "INTR": "International issues",
    "JUST": "Justice, legal system and public safety",
    "OP_DATPRO": "Provisional data",
    "REGI": "Regions and cities",
    "SOCI": "Population and society",
    "TECH": "Science and technology",
    "TRAN": "Transport",
}

ACCESS_RIGHTS: Final = {"PUBLIC": "public", "RESTRICTED": "restricted", "NON_PUBLIC": "non-public"}

FREQUENCIES: Final = {
    "UPDATE_CONT": "continuously updated",
    "HOURLY": "hourly",
    "DAILY": "daily",
    "WEEKLY": "weekly",
    "MONTHLY": "monthly",
    "ANNUAL": "annual",
}

LICENCES: Final = {
    "CC0": "CC0 1.0",
    "CC_BY_4_0": "CC BY 4.0",
    "CC_BYSA_4_0": "CC BY-SA 4.0",
    "CC_BYNC_4_0": "CC BY-NC 4.0",
    "ODC_BY": "ODC-BY 1.0",
    "ODC_BL": "ODbL 1.0",
    "ODC_PDDL": "PDDL 1.0",
}

_LICENCE_SYNONYMS: Final = {
    "cc0-1.0": "CC0",
    "cc-by-4.0": "CC_BY_4_0",
    "cc-by-sa-4.0": "CC_BYSA_4_0",
    "cc-by-nc-4.0": "CC_BYNC_4_0",
    "odc-by-1.0": "ODC_BY",
    "odbl-1.0": "ODC_BL",
    "pddl-1.0": "ODC_PDDL",
    "creativecommons.org/publicdomain/zero/1.0": "CC0",
    "creativecommons.org/licenses/by/4.0": "CC_BY_4_0",
    "creativecommons.org/licenses/by-sa/4.0": "CC_BYSA_4_0",
    "creativecommons.org/licenses/by-nc/4.0": "CC_BYNC_4_0",
    "opendatacommons.org/licenses/by/1-0": "ODC_BY",
    "opendatacommons.org/licenses/odbl/1-0": "ODC_BL",
    "opendatacommons.org/licenses/pddl/1-0": "ODC_PDDL",
}

_LANGUAGES: Final = {
    "bg": "BUL", "cs": "CES", "da": "DAN", "de": "DEU", "el": "ELL", "en": "ENG", "es": "SPA", "et": "EST",
    "fi": "FIN", "fr": "FRA", "ga": "GLE", "hr": "HRV", "hu": "HUN", "it": "ITA", "lt": "LIT", "lv": "LAV",
    "mt": "MLT", "nl": "NLD", "no": "NOR", "pl": "POL", "pt": "POR", "ro": "RON", "sk": "SLK", "sl": "SLV",
    "sv": "SWE",
}  # fmt: skip

_RIGHT_OF: Final[dict[Classification, str]] = {
    "open": "PUBLIC",
    "internal": "RESTRICTED",
    "personal": "RESTRICTED",
    "sensitive": "NON_PUBLIC",
}


class UnknownTerm(ValueError):
    """A city's file names a term that no vocabulary here has."""


def theme(name: str) -> str:
    """The data-theme IRI of a code (`TRAN`) or of itself."""
    code = name.removeprefix(f"{AUTHORITY}data-theme/")
    if code not in THEMES:
        raise UnknownTerm(f"theme '{name}' is not an EU data theme; use one of {', '.join(THEMES)}")
    return f"{AUTHORITY}data-theme/{code}"


def licence(name: str) -> tuple[str, str]:
    """(IRI, label) of a licence named by SPDX id, EU code or IRI; an IRI of no known licence is its own label."""
    code = name.removeprefix(f"{AUTHORITY}licence/")
    bare = name.removeprefix("https://").removeprefix("http://").removeprefix("www.").rstrip("/")
    found = code if code in LICENCES else _LICENCE_SYNONYMS.get(bare.lower())
    if found:
        return f"{AUTHORITY}licence/{found}", LICENCES[found]
    if "://" in name:
        return name, name
    raise UnknownTerm(f"licence '{name}' is neither a known licence nor an IRI; use for example CC-BY-4.0")


def licence_label(name: str) -> str:
    """A licence as people call it; what is not known is called as it is written."""
    try:
        return licence(name)[1]
    except UnknownTerm:
        return name


def access_right(classification: Classification, public: bool) -> str:
    """The access-right IRI; open data that no agreement gives to the public is restricted all the same."""
    code = _RIGHT_OF[classification]
    return f"{AUTHORITY}access-right/{'RESTRICTED' if code == 'PUBLIC' and not public else code}"


def frequency(freshness_s: float | None) -> str | None:
    """The frequency IRI that a freshness objective in seconds amounts to."""
    if freshness_s is None:
        return None
    for limit, code in ((1800, "UPDATE_CONT"), (7200, "HOURLY"), (172800, "DAILY"), (1209600, "WEEKLY")):
        if freshness_s <= limit:
            return f"{AUTHORITY}frequency/{code}"
    return f"{AUTHORITY}frequency/{'MONTHLY' if freshness_s <= 5356800 else 'ANNUAL'}"


def language(tag: str) -> str:
    """The language IRI of an ISO 639-1 tag; a region after it does not matter."""
    code = _LANGUAGES.get(tag.split("-")[0].lower())
    if code is None:
        raise UnknownTerm(f"language '{tag}' is not known here; use an ISO 639-1 tag such as 'en'")
    return f"{AUTHORITY}language/{code}"
