"""The rules: their own tests, their data and schemas in step with the code."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import jsonschema
import pytest

from docker.local import locate
from docker.local.console import Trouble
from ontologies.load import schema_path
from policies import purposes
from policies.audit import AuditRecord, prepare
from policies.city import CityFolder
from policies.opa import RULES
from policies.schemas import schemas
from tests.fixtures.engines import missing
from tests.policies.conftest import ROOT

REGO = ROOT / "policies" / "rego"


@pytest.fixture(scope="module")
def program() -> Path:
    try:
        return locate.opa()
    except Trouble as trouble:
        missing(trouble)
        raise


def run(program: Path, *arguments: str) -> str:
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_opa_test_is_green(program: Path) -> None:
    results = json.loads(run(program, "test", "--format", "json", str(REGO)))
    assert len(results) >= 32
    assert [item["name"] for item in results if item.get("fail") or item.get("error")] == []


def test_rules_are_formatted_and_strict(program: Path) -> None:
    assert run(program, "fmt", "--list", str(REGO)) == ""
    run(program, "check", "--strict", str(REGO))


def test_every_rule_has_metadata(program: Path) -> None:
    found = json.loads(run(program, "inspect", "--annotations", "--format", "json", str(REGO)))
    annotated = {
        (item["location"]["file"].rpartition("/")[2], item["location"]["row"]) for item in found["annotations"]
    }
    assert len(annotated) > 25
    for path in REGO.rglob("*.rego"):
        if path.name.endswith("_test.rego"):
            continue
        lines = path.read_text().splitlines()
        documented: set[str] = set()
        for n, line in enumerate(lines):
            name = line.partition("(")[0].split(" ")[0 if not line.startswith("default ") else 1]
            if line and line[0].isalpha() and name not in ("package", "import", "default"):
                if lines[n - 1].startswith("#"):
                    documented.add(name)
                assert name in documented, f"{path.name}:{n + 1}: {name} has no METADATA"


def test_version_is_the_one_that_the_code_reads(program: Path) -> None:
    answer = json.loads(run(program, "eval", "--data", str(REGO), "--format", "json", "data.datapolis.version"))
    assert answer["result"][0]["expressions"][0]["value"] == RULES


def test_purposes_are_those_of_the_vocabulary() -> None:
    assert purposes.FILE.read_bytes() == purposes.text(), "run `python -m policies purposes`"
    assert purposes.is_a(purposes.iri("dpv:ScientificResearch"), purposes.iri("dpv:ResearchAndDevelopment"))
    assert not purposes.is_a(purposes.iri("dpv:ResearchAndDevelopment"), purposes.iri("dpv:ScientificResearch"))
    assert not purposes.known("https://w3id.org/dpv#Profit")


@pytest.mark.parametrize(("name", "text"), list(schemas()))
def test_schemas_are_current(name: str, text: bytes) -> None:
    path = schema_path(name.removesuffix(".json"))
    assert path.read_bytes() == text, "run `python -m policies schemas`"
    jsonschema.Draft202012Validator.check_schema(json.loads(text))


def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(schema_path(name).read_text()))


def test_the_city_follows_its_schemas(city: CityFolder) -> None:
    for path in (city.folder / "agreements").glob("*.jsonld"):
        validator("agreement").validate(json.loads(path.read_text()))
    for domain in city.domains.values():
        validator("domain").validate(domain.model_dump(mode="json"))
    validator("city").validate(city.city.model_dump(mode="json"))


def test_records_follow_their_schema() -> None:
    record = AuditRecord(
        action="read", caller="p", door="d", outcome="denied", purpose="x", request="GET /", tenant="default"
    )
    validator("audit-record").validate(json.loads(prepare(record).record))
