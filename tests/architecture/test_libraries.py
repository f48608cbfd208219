"""Where each library may live, so that a newcomer knows where to look and I/O stays at the edges.

Import layers between our own packages are held by import-linter (`make check`, contracts in pyproject.toml).
"""

from __future__ import annotations

import sys

import pytest

from tests.architecture.source import PACKAGES, sources

# Process edges that open a pool or must tell a lost database from a fault of ours.
DRIVER_ERRORS = (
    "broker.app",
    "broker.http.audit",
    "broker.http.health",
    "broker.workers",
    "policies.__main__",
    "policies.access_keys",
    "policies.audit.seal",
    "policies.clerk.rounds",
    "policies.key_commands",
    "policies.trust",
)
# Library -> prefixes of the modules that may import it at run time. Libraries that are not named may live anywhere
# outside broker.core.
HOMES: dict[str, tuple[str, ...]] = {
    "asyncpg": (
        "broker.store",
        "policies.store",
        "catalog.store",
        "connectors.sources.sql",
        "docker.migrate",
        *DRIVER_ERRORS,
    ),
    "pyld": ("broker.ld",),
    "rdflib": ("catalog", "ontologies"),
    "pyshacl": ("catalog", "ontologies"),
    "aiokafka": ("broker.bus", "broker.workers.optouts", "connectors", "docker.local.demo"),
    "aiomqtt": ("connectors", "docker.local"),
    "jmespath": ("connectors",),
    "fastapi": ("broker.http", "broker.app", "policies.http", "catalog.http", "catalog.app", "catalog.portal"),
    "jwt": ("policies",),
    "opa_client": ("policies",),
    "granian": ("broker", "catalog", "policies.__main__", "policies.issuer"),
    "supervisor": ("docker.local",),
}


@pytest.mark.parametrize("library", sorted(HOMES))
def test_library_lives_at_home(library: str) -> None:
    """Nobody imports a library outside the places that are its home."""
    strays = [
        f"{source.path} imports {name}"
        for source in sources(*PACKAGES)
        for name in source.imports()
        if name.partition(".")[0] == library and not _within(source.module, HOMES[library])
    ]
    assert strays == []


def test_core_needs_the_standard_library_shapely_and_orjson_alone() -> None:
    """broker.core does no I/O; what it imports is listed here in full."""
    allowed = {*sys.stdlib_module_names, "shapely", "orjson", "broker", "ontologies"}
    strays = [
        f"{source.path} imports {name}"
        for source in sources("broker/core")
        for name in source.imports()
        if name.partition(".")[0] not in allowed
    ]
    assert strays == []


def test_the_broker_package_itself_imports_nothing() -> None:
    """Else policies -> broker.core -> broker -> policies would be a cycle."""
    (package,) = (source for source in sources("broker") if source.module == "broker")
    assert list(package.imports()) == []


def _within(module: str, homes: tuple[str, ...]) -> bool:
    return any(module == home or module.startswith(f"{home}.") for home in homes)
