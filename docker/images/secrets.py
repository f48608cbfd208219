"""Generate the passwords of a composed stack: `python -m docker.images.secrets FOLDER`, run once by compose.

FOLDER holds one sub-folder per process, each a volume of that process alone. Existing passwords are kept.
"""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path

from docker.local.kafka_access import ADMIN, KAFKA_LOGINS, PRINCIPALS

__all__ = ["generate"]

# Process -> database roles that it logs in as; the first folder keeps all passwords.
_ROLES: dict[str, tuple[str, ...]] = {
    "migrate": ("admin", "owner", "broker", "policies", "catalog"),
    "broker": ("broker",),
    "worker": ("broker",),
    "connectors": (),
    "topics": (),
    "indexer": ("owner",),
    "policies": ("policies",),
    "catalog": ("catalog", "policies"),
}


def generate(folder: Path) -> None:
    """Write `secrets.env` for each process, and `password` for the database's own superuser."""
    kept = folder / "migrate" / "passwords"
    known = dict(line.split("=", 1) for line in kept.read_text().split()) if kept.exists() else {}
    for role in _ROLES["migrate"]:
        known.setdefault(role, secrets.token_urlsafe(24))
    known.setdefault("client", secrets.token_urlsafe(24))
    _write(folder / "postgres" / "password", known["admin"], mode=0o444)
    kafka = {one: known.setdefault(f"kafka-{one}", secrets.token_urlsafe(24)) for one in PRINCIPALS}
    _write(kept, "".join(f"{name}={value}\n" for name, value in known.items()))
    _kafka(folder / "kafka", kafka)
    for process, roles in _ROLES.items():
        lines = [f"DATAPOLIS_DSN_{role.upper()}={_dsn(role, known[role])}\n" for role in roles]
        lines += _login(process, kafka)
        lines += [f"DATAPOLIS_CATALOG_CLIENT_SECRET={known['client']}\n"] if process == "catalog" else []
        _write(folder / process / "secrets.env", "".join(lines))
    clients = folder / "issuer" / "clients.json"
    if not clients.exists():
        _write(clients, json.dumps({"catalog": known["client"]}), mode=0o600)


def _kafka(folder: Path, passwords: dict[str, str]) -> None:
    """Write what Kafka itself knows (its JAAS file), and what its health check logs in with; both for its volume."""
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    own = f'{plain} username="{ADMIN}" password="{passwords[ADMIN]}"'
    users = " ".join(f'user_{name}="{password}"' for name, password in passwords.items())
    jaas = f"inside.KafkaServer {{\n  {own} {users};\n}};\n"
    jaas += f'controller.KafkaServer {{\n  {own} user_{ADMIN}="{passwords[ADMIN]}";\n}};\n'
    _write(folder / "jaas.conf", jaas, mode=0o444)
    client = f"security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config={own};\n"
    _write(folder / "client.properties", client, mode=0o444)


def _login(process: str, passwords: dict[str, str]) -> list[str]:
    """Give a process the variables by which it logs in to Kafka: its own principals, quoted for the shell."""
    users = KAFKA_LOGINS.get(process, ())
    if not users:
        return []
    if process == "worker":
        logins = json.dumps({one: passwords[one] for one in users})
        return ["DATAPOLIS_KAFKA_MECHANISM=PLAIN\n", f"DATAPOLIS_KAFKA_LOGINS='{logins}'\n"]
    (user,) = users
    return ["DATAPOLIS_KAFKA_MECHANISM=PLAIN\n", f"DATAPOLIS_KAFKA_USER={user}\n",
            f"DATAPOLIS_KAFKA_PASSWORD={passwords[user]}\n"]  # fmt: skip


def _dsn(role: str, password: str) -> str:
    user = "postgres" if role == "admin" else f"datapolis_{role}"
    return f"postgresql://{user}:{password}@postgres:5432/datapolis"


def _write(file: Path, text: str, mode: int = 0o400) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(text)
    file.chmod(mode)


if __name__ == "__main__":
    generate(Path(sys.argv[1]))
