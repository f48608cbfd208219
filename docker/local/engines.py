"""The four engines as supervised programs: their configuration files, commands and health probes.

Each `*_program` function writes what the engine needs into the instance's folder (idempotent) and returns the program.
"""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from docker.local import credentials, locate
from docker.local.account import Account
from docker.local.console import Trouble, say
from docker.local.kafka_access import PRINCIPALS, access_properties, password_name
from docker.local.program import Program, http_ready, kafka_ready, postgres_ready, tcp_ready
from docker.local.stack import ROOT, Profile, cache_folder

__all__ = ["REGO", "engine_programs"]

REGO = (ROOT / "policies" / "rego").resolve()


def engine_programs(profile: Profile, account: Account) -> list[Program]:
    """Prepare all engines of an instance."""
    return [
        postgres_program(profile, account),
        kafka_program(profile, account),
        opa_program(profile, account),
        mosquitto_program(profile, account),
    ]


def postgres_program(profile: Profile, account: Account) -> Program:
    """Make the cluster when missing (UTF-8, strings ordered by code point), write its settings, say how to run it."""
    bin_folder = locate.postgres_bin()
    data = account.own(profile.folder / "postgres")
    sockets = account.own(profile.folder / "run")
    if not (data / "PG_VERSION").exists():
        _init_cluster(profile, account, bin_folder, data)
    port = profile.ports["postgres"]
    # A socket path longer than 107 bytes cannot be bound; then TCP alone serves.
    directory = sockets if len(str(sockets)) < 85 else ""
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": directory,
        "max_connections": 300,
        "shared_buffers": "512MB" if profile.name != "test" else "256MB",
        "work_mem": "16MB",
        "maintenance_work_mem": "128MB",
        "effective_cache_size": "2GB",
        "random_page_cost": 1.1,
        "jit": "off",
        "synchronous_commit": "on",
        "fsync": "on" if profile.name != "test" else "off",
        "full_page_writes": "on" if profile.name != "test" else "off",
        "wal_compression": "on",
        "max_wal_size": "2GB",
        "password_encryption": "scram-sha-256",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_min_duration_statement": 2000,
        "log_line_prefix": "%m [%p] %u@%d ",
    }
    text = "".join(f"{name} = '{value}'\n" for name, value in settings.items())
    account.hand_over(_write(data / "datapolis.conf", "# Written by docker/local at every start.\n" + text))
    return Program(
        name="postgres",
        command=[str(bin_folder / "postgres"), "-D", str(data)],
        user=account.name if account.switch else None,
        directory=data,
        ready=postgres_ready(bin_folder / "pg_isready", port),
        ports={"postgres": port},
        stop_signal="INT",
        stop_group=False,
        reload_key=text,
    )


def _init_cluster(profile: Profile, account: Account, bin_folder: Path, data: Path) -> None:
    password = account.own(profile.folder / "run") / "initial-password"
    _write(password, credentials.load(profile.folder)["POSTGRES_ADMIN"], mode=0o600)
    account.hand_over(password)
    command = [str(bin_folder / "initdb"), "-D", str(data), "-U", "postgres", "--pwfile", str(password)]
    command += ["--encoding=UTF8", "--lc-collate=C", "--lc-ctype=C.UTF-8", "--lc-messages=C", "--auth=scram-sha-256"]
    command += ["--no-sync"] if profile.name == "test" else []
    try:
        answer = account.run(command)
    finally:
        password.unlink()
    if answer.returncode != 0:
        shutil.rmtree(data)
        raise Trouble(
            f"initdb could not make a PostgreSQL cluster in {data}: {answer.stderr.strip().splitlines()[-1:]}",
            f"Check that {account.name!r} can write there and that the disk has room, then run the same command again.",
        )
    with (data / "postgresql.conf").open("a") as file:
        file.write("include = 'datapolis.conf'\n")
    account.hand_over(data / "postgresql.conf")


def kafka_program(profile: Profile, account: Account, *, guarded: bool | None = None) -> Program:
    """Format the log folder (KRaft, one node) when missing, write its settings, and say how to run it.

    A `guarded` one asks for a log-in and denies by default: every one but that of the tests, unless they want it so.
    """
    guarded = profile.name != "test" if guarded is None else guarded
    folder = account.own(profile.folder / "kafka")
    libs = _within_reach(locate.kafka_libs(), profile, account)
    port, controller = profile.ports["kafka"], profile.ports["kafka_controller"]
    properties = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "controller.listener.names": "CONTROLLER",
        **_kafka_listeners(profile, guarded),
        "log.dirs": folder / "logs",
        "auto.create.topics.enable": "false",
        "num.partitions": 1,
        "offsets.topic.num.partitions": 4,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        "message.max.bytes": 4_194_304,
        "log.segment.bytes": 67_108_864,
        "log.retention.check.interval.ms": 60_000,
        "delete.topic.enable": "true",
    }
    text = "".join(f"{name}={value}\n" for name, value in properties.items())
    config = account.hand_over(_write(folder / "server.properties", text, mode=0o600))
    logging = account.hand_over(_write(folder / "log4j2.properties", _KAFKA_LOG))
    heap = "512m" if profile.name == "test" else "768m"
    options = ["-Xms256m", f"-Xmx{heap}", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=50", "-XX:TieredStopAtLevel=4"]
    java = [str(locate.java()), *options, f"-Dlog4j2.configurationFile={logging}", "-Djava.awt.headless=true"]
    java += ["-cp", f"{libs}/*"]
    if not (folder / "logs" / "meta.properties").exists():
        _format_log(account, java, config, folder)
    return Program(
        name="kafka",
        command=[*java, "kafka.Kafka", str(config)],
        user=account.name if account.switch else None,
        directory=folder,
        ready=kafka_ready(port),
        ports={"kafka": port, "kafka_controller": controller},
        stop_wait_s=30,
        reload_key=text,
    )


def _kafka_listeners(profile: Profile, guarded: bool) -> dict[str, str]:
    port, controller = profile.ports["kafka"], profile.ports["kafka_controller"]
    if guarded:
        known = credentials.load(profile.folder)
        return access_properties(port, controller, {name: known[password_name(name)] for name in PRINCIPALS})
    return {
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }


def _format_log(account: Account, java: list[str], config: Path, folder: Path) -> None:
    cluster = uuid.uuid4().hex[:22]
    answer = account.run([*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(config)])
    if answer.returncode != 0:
        shutil.rmtree(folder / "logs", ignore_errors=True)
        reason = (answer.stderr or answer.stdout).strip()[-300:]
        raise Trouble(
            f"Kafka could not format its log folder {folder / 'logs'}: {reason}",
            f"Check that {account.name!r} can write there and that the disk has room, then run the same command again.",
        )


_KAFKA_LOG = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = INFO
"""


def opa_program(profile: Profile, account: Account) -> Program:
    """Serve policies/rego, watching the folder so that a changed rule takes effect without a restart."""
    program = _within_reach(locate.opa(), profile, account)
    REGO.mkdir(parents=True, exist_ok=True)
    user = account.name if account.switch else None
    if user and not (account.can("-r", REGO) and account.can("-x", REGO)):
        say(f"{account.name!r} cannot read {REGO}, so OPA runs as the invoking user", "~")
        user = None
    port = profile.ports["opa"]
    command = [str(program), "run", "--server", "--watch", "--addr", f"127.0.0.1:{port}", "--log-level", "error"]
    command += ["--skip-version-check", "--ignore", "*_test.rego", "--ignore", ".*", str(REGO)]
    return Program(
        name="opa",
        command=command,
        user=user,
        directory=profile.folder,
        ready=http_ready(port, "/health"),
        ports={"opa": port},
    )


def mosquitto_program(profile: Profile, account: Account) -> Program:
    """Serve MQTT on the loopback alone, without persistence: records are kept by Kafka."""
    folder = account.own(profile.folder / "mosquitto")
    port = profile.ports["mqtt"]
    lines = [f"listener {port} 127.0.0.1", "allow_anonymous true", "persistence false", "log_type error"]
    lines += ["log_type warning", "max_queued_messages 100000", "max_inflight_messages 100"]
    text = "\n".join(lines) + "\n"
    config = account.hand_over(_write(folder / "mosquitto.conf", text))
    return Program(
        name="mosquitto",
        command=[str(locate.mosquitto()), "-c", str(config)],
        user=account.name if account.switch else None,
        directory=folder,
        ready=tcp_ready(port),
        ports={"mqtt": port},
        reload_key=text,
    )


def _within_reach(path: Path, profile: Profile, account: Account) -> Path:
    """Return a path that the account can read: itself, else hard links (or copies) in the instance's folder."""
    probe = path if path.is_file() else next(path.iterdir())
    if not account.switch or account.can("-r", probe):
        return path
    target = profile.folder / "engines" / path.relative_to(cache_folder())
    if not target.exists():
        account.own(profile.folder / "engines", mode=0o755)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, target, copy_function=_link)
        else:
            _link(str(path), str(target))
    return target


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _write(file: Path, text: str, mode: int = 0o644) -> Path:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as out:
        os.fchmod(descriptor, mode)  # also where the file was there before
        out.write(text)
    return file
