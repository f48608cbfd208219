"""The environment of every process of ours, assembled in this one place.

A variable that the user sets (DATAPOLIS_LOG_LEVEL=debug make up) reaches every process, except addresses and database
names, which follow from docker/stack.toml, the ports and the generated passwords. A process gets the DSNs and keys
that it needs and no others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from docker.local import credentials
from docker.local.kafka_access import KAFKA_LOGINS, password_name
from docker.local.stack import ROOT, Profile
from policies.issuer.clients import client_secrets

__all__ = [
    "DATABASE",
    "DSNS",
    "data_folder",
    "dsn",
    "kafka_environment",
    "process_environment",
    "state_folder",
]

DATABASE = "datapolis"
# Which database roles each process logs in as.
DSNS: dict[str, tuple[str, ...]] = {
    "migrate": ("admin", "owner", "broker", "policies", "catalog"),
    "topics": (),
    "domains": ("policies",),
    "agreements": ("policies",),
    "broker": ("broker",),
    "worker": ("broker",),
    "indexer": ("owner",),
    "connectors": (),
    "sealer": ("policies",),
    "issuer": (),
    "catalog": ("catalog", "policies"),
    "assessor": ("catalog",),
    "simulators": (),
}
# Processes that ask the issuer for a token of their own.
_CATALOG = {"catalog", "assessor"}
_PASSED_ON = ("PATH", "LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy", "no_proxy")
_OURS = (
    "DATAPOLIS_PORT_",
    "DATAPOLIS_TEST_",
    "DATAPOLIS_DSN_",
    "DATAPOLIS_KAFKA_",
    "DATAPOLIS_ADMIN_PORT",
    "DATAPOLIS_DOMAIN_KEYS",
    "DATAPOLIS_DATA",  # passed on where it names a folder
)


def dsn(profile: Profile, role: str, database: str = DATABASE) -> str:
    """Return the DSN of a role (admin is the superuser) on the instance's PostgreSQL."""
    user = "postgres" if role == "admin" else f"datapolis_{role}"
    password = credentials.load(profile.folder)[f"POSTGRES_{role.upper()}"]
    return f"postgresql://{user}:{password}@127.0.0.1:{profile.ports['postgres']}/{database}"


def state_folder(profile: Profile) -> Path:
    """Where our processes keep local state: the development issuer's keys, the log's signing key, feed positions."""
    return profile.folder / "state"


def data_folder() -> Path | None:
    """Folder of recorded data: DATAPOLIS_DATA, else `../shared/data` beside the checkout, else none."""
    named = os.environ.get("DATAPOLIS_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    return folder.resolve() if folder.is_dir() else None


def process_environment(profile: Profile, process: str) -> dict[str, str]:
    """Return the whole environment of one process."""
    found = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    found |= {
        name: value
        for name, value in os.environ.items()
        if name.startswith("DATAPOLIS_") and not name.startswith(_OURS)
    }
    found |= {"PYTHONUNBUFFERED": "1", "DATAPOLIS_INSTANCE": str(profile.folder)}
    # Not the invoker's home: the engines' account cannot enter it, and settings there (~/.postgresql) are not ours.
    found["HOME"] = str(state_folder(profile))
    found |= _addresses(profile)
    found |= {f"DATAPOLIS_DSN_{role.upper()}": dsn(profile, role) for role in DSNS[process]}
    found |= kafka_environment(process, credentials.load(profile.folder))
    if process in _CATALOG:
        found["DATAPOLIS_CATALOG_CLIENT_ID"] = "catalog"
        found["DATAPOLIS_CATALOG_CLIENT_SECRET"] = client_secrets(state_folder(profile), ["catalog"])["catalog"]
    admin = profile.ports.get(f"{process}_admin")
    if admin is not None:
        found["DATAPOLIS_ADMIN_PORT"] = str(admin)
    return found


def kafka_environment(process: str, known: Mapping[str, str]) -> dict[str, str]:
    """Return what a process logs in to Kafka with, from the passwords in `secrets.env`; nothing for most."""
    users = KAFKA_LOGINS.get(process, ())
    if not users:
        return {}
    found = {"DATAPOLIS_KAFKA_MECHANISM": "PLAIN"}
    if process == "worker":
        return found | {"DATAPOLIS_KAFKA_LOGINS": json.dumps({one: known[password_name(one)] for one in users})}
    return found | {"DATAPOLIS_KAFKA_USER": users[0], "DATAPOLIS_KAFKA_PASSWORD": known[password_name(users[0])]}


def _addresses(profile: Profile) -> dict[str, str]:
    ports = profile.ports
    issuer = os.environ.get("DATAPOLIS_ISSUER", f"http://127.0.0.1:{ports['issuer']}")
    data = data_folder()
    return {
        "DATAPOLIS_ACCESS": "open" if profile.open_access else "governed",
        "DATAPOLIS_KAFKA": f"127.0.0.1:{ports['kafka']}",
        "DATAPOLIS_OPA_URL": f"http://127.0.0.1:{ports['opa']}",
        "DATAPOLIS_MQTT": f"127.0.0.1:{ports['mqtt']}",
        "DATAPOLIS_BROKER_URL": f"http://127.0.0.1:{ports['broker']}",
        "DATAPOLIS_BROKER_PORT": str(ports["broker"]),
        "DATAPOLIS_PUSH_PORT": str(ports["push"]),
        "DATAPOLIS_CATALOG_URL": f"http://127.0.0.1:{ports['catalog']}",
        "DATAPOLIS_CATALOG_PORT": str(ports["catalog"]),
        "DATAPOLIS_ISSUER": issuer,
        "DATAPOLIS_JWKS_URL": os.environ.get("DATAPOLIS_JWKS_URL", f"{issuer}/jwks.json"),
        "DATAPOLIS_TOKEN_URL": os.environ.get("DATAPOLIS_TOKEN_URL", f"{issuer}/token"),
        "DATAPOLIS_AUDIENCE": os.environ.get("DATAPOLIS_AUDIENCE", "datapolis"),
        "DATAPOLIS_SIMULATORS_URL": f"http://127.0.0.1:{ports['simulators']}",
        "DATAPOLIS_SIMULATORS_PORT": str(ports["simulators"]),
        "DATAPOLIS_EGRESS_ALLOW": os.environ.get("DATAPOLIS_EGRESS_ALLOW", "127.0.0.0/8,::1/128"),
        "DATAPOLIS_CITY": str(Path(os.environ.get("DATAPOLIS_CITY", ROOT / "city")).resolve()),
        "DATAPOLIS_STATE": str(state_folder(profile)),
        **({"DATAPOLIS_DATA": str(data)} if data else {}),
    }
