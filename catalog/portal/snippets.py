"""'Use it' snippets that work as pasted, into a shell or into Python's standard library."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from catalog.dataset import Dataset
from catalog.portal.view import DomainView
from policies.language import N_

__all__ = ["Snippet", "snippets"]


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of code: its name (a message), its language, and the text."""

    title: str
    language: str
    code: str


def snippets(view: DomainView, catalog_url: str, broker_url: str, purpose: str) -> list[Snippet]:
    """Read, find and check a domain; data that the public may not read need the token of an agreement."""
    base = catalog_url.rstrip("/")
    found = sorted(view.datasets, key=lambda d: (not d.public, d.count == 0))
    read = [_curl(found[0], broker_url, purpose), _python(found[0], broker_url, purpose)] if found else []
    check = f"curl -s '{base}/readiness/{view.name}'"
    describe = f"curl -s -H 'Accept: text/turtle' '{base}/catalog/series/{view.name}'"
    return [
        *read,
        Snippet(N_("Describe: the DCAT-AP record"), "curl", describe),
        Snippet(N_("Check: the verdict and its evidence"), "curl", check),
    ]


def _address(dataset: Dataset, broker_url: str) -> str:
    asked = urlencode({"type": dataset.type, "limit": "2", "format": "simplified"})
    return f"{broker_url.rstrip('/')}/ngsi-ld/v1/entities?{asked}"


def _headers(dataset: Dataset, purpose: str) -> dict[str, str]:
    tenant = {} if dataset.tenant == "default" else {"NGSILD-Tenant": dataset.tenant}
    return tenant | ({"Data-Purpose": purpose} if purpose else {})


def _curl(dataset: Dataset, broker_url: str, purpose: str) -> Snippet:
    lines = [f"curl -s '{_address(dataset, broker_url)}'"]
    lines += [f"  -H '{name}: {value}'" for name, value in _headers(dataset, purpose).items()]
    if not dataset.public:
        lines.append('  -H "Authorization: Bearer $TOKEN"')
    return Snippet(N_("Read: two of them, in a shell"), "curl", " \\\n".join(lines))


def _python(dataset: Dataset, broker_url: str, purpose: str) -> Snippet:
    headers = ", ".join(f'"{name}": "{value}"' for name, value in _headers(dataset, purpose).items())
    token = "" if dataset.public else '"Authorization": f"Bearer {os.environ[\'TOKEN\']}"'
    given = ", ".join(part for part in (headers, token) if part)
    lines = [
        "import json" + ("" if dataset.public else "\nimport os"),
        "from urllib.request import Request, urlopen",
        "",
        f'url = "{_address(dataset, broker_url)}"',
        f"request = Request(url, headers={{{given}}})",
        "with urlopen(request, timeout=30) as answer:",
        "    for entity in json.load(answer):",
        '        print(entity["id"])',
    ]
    return Snippet(N_("Read: two of them, in Python"), "python", "\n".join(lines))
