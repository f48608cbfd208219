"""Parts of the local stack that need no engine: ports, passwords, environments, supervisor's file, jobs."""

from __future__ import annotations

import configparser
import os
import socket
from pathlib import Path

import pytest
from supervisor.datatypes import dict_of_key_value_pairs

from broker.core.principals import PRINCIPALS as CORE
from docker.local import credentials, licences
from docker.local.console import Trouble
from docker.local.environment import DSNS, process_environment
from docker.local.jobs import Job, Log, run_jobs
from docker.local.kafka_access import KAFKA_LOGINS, PRINCIPALS, access_properties, password_name
from docker.local.ports import owner_of
from docker.local.program import Program, tcp_ready
from docker.local.services import COMMANDS, ONE_SHOTS
from docker.local.stack import Profile, profile
from docker.local.supervise import Supervisor


@pytest.fixture
def instance(tmp_path: Path) -> Profile:
    """An instance of its own folder, on the stack's usual ports."""
    return Profile("main", tmp_path / "main", profile("main").ports)


def test_a_port_may_be_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the stack and for the tests apart."""
    monkeypatch.setenv("DATAPOLIS_PORT_BROKER", "2026")
    monkeypatch.setenv("DATAPOLIS_TEST_PORT_KAFKA", "2027")
    assert profile("main").ports["broker"] == 2026
    assert profile("main").ports["kafka"] == 19092
    assert profile("test").ports["kafka"] == 2027


@pytest.mark.parametrize("text", ["abc", "0", "65536", "-1", "1e3"])
def test_what_is_no_port_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """The message names the variable."""
    monkeypatch.setenv("DATAPOLIS_PORT_BROKER", text)
    with pytest.raises(Trouble, match=r"DATAPOLIS_PORT_BROKER is .*Set it to a number"):
        profile("main")


def test_tests_and_stack_share_no_port() -> None:
    """`make test` passes while the stack is up."""
    assert not set(profile("main").ports.values()) & set(profile("test").ports.values())
    assert len(set(profile("main").ports.values())) == len(profile("main").ports)


def test_the_holder_of_a_port_is_named() -> None:
    """By name and process id; a free port has none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert owner_of(port) == f"{Path('/proc/self/comm').read_text().strip()} (process {os.getpid()})"
    assert owner_of(port) is None


def test_passwords_are_made_once_and_readable_by_their_owner_alone(tmp_path: Path) -> None:
    """All of them different."""
    first = credentials.load(tmp_path)
    assert credentials.load(tmp_path) == first
    roles = {f"POSTGRES_{role.upper()}" for role in credentials.ROLES}
    assert set(first) == roles | {password_name(one) for one in PRINCIPALS}
    assert len(set(first.values())) == len(first)
    assert (tmp_path / "secrets.env").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("process", sorted(DSNS))
def test_a_process_gets_its_own_dsns_and_no_others(instance: Profile, process: str) -> None:
    """Nobody but the migration gets the superuser's; the owner's goes to the indexer too, which serves nothing."""
    environment = process_environment(instance, process)
    assert {name for name in environment if name.startswith("DATAPOLIS_DSN_")} == {
        f"DATAPOLIS_DSN_{role.upper()}" for role in DSNS[process]
    }
    assert ("DATAPOLIS_DSN_OWNER" in environment) == (process in ("migrate", "indexer"))
    assert ("DATAPOLIS_DSN_ADMIN" in environment) == (process == "migrate")


@pytest.mark.parametrize("process", sorted(DSNS))
def test_a_process_logs_in_to_kafka_as_itself(instance: Profile, process: str) -> None:
    """Those that have no business with Kafka get no password of it."""
    known = credentials.load(instance.folder)
    own = {known[password_name(one)] for one in KAFKA_LOGINS.get(process, ())}
    environment = process_environment(instance, process)
    text = "\n".join(environment.values())
    assert {one for name, one in known.items() if name.startswith("KAFKA_") and one in text} == own
    assert ("DATAPOLIS_KAFKA_MECHANISM" in environment) is bool(own)


def test_the_stacks_kafka_denies_by_default(instance: Profile) -> None:
    """Its settings hold the passwords, for its account alone; no listener goes without a log-in."""
    known = credentials.load(instance.folder)
    found = access_properties(1, 2, {one: known[password_name(one)] for one in PRINCIPALS})
    assert found["allow.everyone.if.no.acl.found"] == "false"
    assert found["super.users"] == "User:admin"
    assert "PLAINTEXT://" not in found["listeners"]
    assert found["listener.security.protocol.map"] == "INSIDE:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT"
    assert set(CORE.values()) | {"admin", "connectors"} == set(PRINCIPALS)


def test_a_users_setting_reaches_processes_but_addresses_follow_the_ports(
    instance: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log level is passed on; a Kafka address or a stray secret is not."""
    monkeypatch.setenv("DATAPOLIS_LOG_LEVEL", "debug")
    monkeypatch.setenv("DATAPOLIS_KAFKA", "elsewhere:1")
    monkeypatch.setenv("DATAPOLIS_DSN_OWNER", "postgresql://stray")
    monkeypatch.setenv("SOME_TOKEN", "secret")
    environment = process_environment(instance, "broker")
    assert environment["DATAPOLIS_LOG_LEVEL"] == "debug"
    assert environment["DATAPOLIS_KAFKA"] == "127.0.0.1:19092"
    assert "postgresql://stray" not in environment.values()
    assert "SOME_TOKEN" not in environment


def test_every_process_has_its_environment() -> None:
    """Commands, one-shots and environments name the same processes."""
    assert set(DSNS) == {*COMMANDS, *ONE_SHOTS}


def test_values_reach_a_process_as_they_are(instance: Profile) -> None:
    """Percent signs, spaces, commas and quotes survive supervisor's own reading of its file."""
    values = {"A": "100% of a,b c=d", "B": '{"key": "value"}', "C": "it's"}
    program = Program("probe", ["echo", "a b", "50%"], Path("/"), tcp_ready(1), environment=values)
    supervisor = Supervisor(instance)
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    parser.read_string(supervisor._text([program]))  # the file itself is what is under test
    section = parser["program:probe"]
    read = dict_of_key_value_pairs(section["environment"].replace("%%", "%"))
    assert {name: read[name] for name in values} == values
    assert section["command"].replace("%%", "%") == "echo 'a b' 50%"


def test_a_value_that_cannot_be_said_is_refused(instance: Profile) -> None:
    """Both quotes in one value: supervisor's file has no escapes."""
    program = Program("probe", ["true"], Path("/"), tcp_ready(1), environment={"A": "'\""})
    with pytest.raises(Trouble, match="The value of A mixes quotes"):
        Supervisor(instance)._text([program])


def test_jobs_wait_for_those_before_and_report_the_first_trouble(tmp_path: Path) -> None:
    """A job after a failed one is not tried; the others run to their end."""
    ran: list[str] = []

    def work(name: str) -> Job:
        return Job(name, "works", lambda log: ran.append(name))

    def fail(log: Log) -> None:
        log.run(["/bin/sh", "-c", "echo no network; exit 3"], remedy="Plug it in.")

    jobs = [
        Job("bad", "fails", fail),
        Job("next", "never", lambda log: ran.append("next"), after=("bad",)),
        work("other"),
    ]
    with pytest.raises(Trouble, match=r"bad: /bin/sh failed: .*no network Plug it in\."):
        run_jobs(jobs, tmp_path)
    assert ran == ["other"]


def test_licences_know_what_is_admitted() -> None:
    """Nothing but the named deviations is refused, and each of those is really there."""
    found = {each.name: each for each in licences.examine()}
    assert len(found) > 40
    assert {name for name, each in found.items() if not each.admitted} == set(licences.DEVIATIONS)


def test_nothing_runs_where_nothing_was_started(instance: Profile) -> None:
    """Stopping an instance that never ran is no error."""
    supervisor = Supervisor(instance)
    assert supervisor.states() == {}
    assert supervisor.running() is False
    supervisor.stop()
