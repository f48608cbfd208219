"""The count of filtered statements follows the server's log wherever its supervisor moves it."""

from __future__ import annotations

from pathlib import Path

from tests.conformance.robot.governed import MARK, Statements, suite_types

_DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"


def test_statements_are_counted_over_rotations_and_by_database(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    carries = f"x broker@one DETAIL:  parameters: $1 = '{MARK.rstrip('Z')}000'\n"
    log.write_text(carries)  # before anybody counts
    with Statements(log, "one") as counted:
        with log.open("a") as file:
            file.write(carries + carries.replace("@one", "@other") + carries.replace("2000", "2001") + carries[:20])
        assert counted.so_far() == 1
        with log.open("a") as file:
            file.write(carries[20:])
        log.rename(tmp_path / "postgres.log.1")
        log.write_text(carries)
        assert counted.so_far() == 3
        with log.open("a") as file:
            file.write(carries)
        assert counted.so_far() == 4


def test_types_are_found_alone_in_lists_and_in_any_letters(tmp_path: Path) -> None:
    for name in ("data", "TP"):
        (tmp_path / name).mkdir()
    (tmp_path / "data" / "a.jsonld").write_text(
        '{"type": "Bus", "b": {"type" : ["Car","Blue-Car"]}, "c": {"type": [1]}}'
    )
    (tmp_path / "TP" / "a.robot").write_text('    {"type": "Škola"}\n    /entities?type=Shop&q=x\n    type=${x}\n')
    found = {one.removeprefix(_DEFAULT) for one in suite_types(tmp_path)}
    assert {"Bus", "Car", "Blue-Car", "Škola", "Shop"} <= found
    assert not found & {"1", "x", "${x}"}
