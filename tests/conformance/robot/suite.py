"""A copy of the suite made hermetic: every address in it is on this machine. The clone itself is only read."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from docker.local.console import Trouble

__all__ = ["ROOT_OF_CASES", "context_documents", "copied", "variables", "write_variables"]

CORE_CONTEXT = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
ROOT_OF_CASES = "TP/NGSI-LD"
_COPIED = ("TP", "data", "libraries", "resources")
_NOT_TEXT = (".pyc", ".png", ".zip")
# Addresses in the suite, by their beginning, and where the context server has the same documents.
_MOVED = {
    "https://raw.githubusercontent.com/marek-mraz/ngsi-ld-test-suite/main/": "/",
    "https://forge.etsi.org/rep/cim/ngsi-ld-test-suite/-/raw/develop/": "/",
    "https://easy-global-market.github.io/ngsild-api-data-models/ngsildTestSuite/": "/egm/",
    "https://fiware.github.io/": "/fiware/",
    "http://smartdatamodels.org/": "/smartdatamodels/",
    "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-non-existing.jsonld": "/missing/context.jsonld",
}
_SERVER_FILE = "libraries/robotframework-httpctrl/src/HttpCtrl/http_server.py"
_BIND = "        self.__server = self.__create_tcp_server()\n"
# Without it a receiver whose port is taken is waited for without end.
_BIND_OR_RAISE = """        try:
            self.__server = self.__create_tcp_server()
        except OSError:
            with self.__cv_run:
                self.__is_run_state = True
                self.__cv_run.notify()
            raise
"""


def copied(clone: Path, target: Path, contexts_url: str) -> Path:
    """Copy the suite to `target`, with contexts at `contexts_url`. Trouble where `clone` is no clone of the suite."""
    if not (clone / ROOT_OF_CASES).is_dir():
        raise Trouble(
            f"{clone} has no folder {ROOT_OF_CASES}, so it is not a checkout of the NGSI-LD test suite",
            "Clone github.com/marek-mraz/ngsi-ld-test-suite and run `make conformance SUITE=THAT_FOLDER`.",
        )
    shutil.rmtree(target, ignore_errors=True)
    for name in _COPIED:
        shutil.copytree(clone / name, target / name)
    for file in target.rglob("*"):
        if file.is_file() and "httpctrl" not in str(file) and file.suffix not in _NOT_TEXT:
            _move_addresses(file, contexts_url)
    server = target / _SERVER_FILE
    server.write_text(server.read_text().replace(_BIND, _BIND_OR_RAISE))
    return target


def context_documents(suite: Path) -> dict[str, str]:
    """Give the documents that the context server serves, by path."""
    folder = suite / "resources" / "jsonld-contexts"
    found = {f"/resources/jsonld-contexts/{file.name}": file.read_text() for file in folder.glob("*.jsonld")}
    found["/egm/ngsildTestSuiteV1.8-compound.jsonld"] = found[
        "/resources/jsonld-contexts/ngsi-ld-test-suite-compound.jsonld"
    ]
    # Contexts of others that cases only need to be able to fetch.
    for path, terms in {
        "/fiware/data-models/context.jsonld": ("dataProvider", "dateObserved", "refDevice"),
        "/fiware/NGSI-LD_TestSuite/ldContext/testContext.jsonld": ("T1", "T2", "P1", "P2", "R1"),
        "/smartdatamodels/context.jsonld": ("dataProvider", "dateObserved"),
    }.items():
        found[path] = json.dumps({"@context": {term: f"https://suite.example/{term}" for term in terms}})
    return found


def variables(broker_url: str, contexts_url: str, ports: tuple[int, int, int, int]) -> dict[str, str]:
    """Give the suite's settings: notification, context source, context server and MQTT ports in this order."""
    notification, source, contexts, mqtt = ports
    return {
        "url": broker_url,
        "temporal_api_url": broker_url,
        "ngsild_test_suite_context": (f"{contexts_url}/resources/jsonld-contexts/ngsi-ld-test-suite-compound.jsonld"),
        "notification_server_host": "127.0.0.1",
        "notification_server_port": str(notification),
        "mqtt_broker_host": "127.0.0.1",
        "mqtt_broker_non_default_port": str(mqtt),
        "context_source_host": "127.0.0.1",
        "context_source_port": str(source),
        "context_server_host": "127.0.0.1",
        "context_server_port": str(contexts),
        "core_context": CORE_CONTEXT,
        "delete_temporal_on_core_delete": "True",
        "etsi_broker_origin": re.sub(r"(https?://[^/]+).*", r"\1", broker_url),
    }


def write_variables(suite: Path, values: dict[str, str]) -> None:
    """Write them where the suite's files import them from."""
    lines = [f"{name} = {_literal(value)}" for name, value in values.items()]
    (suite / "resources" / "variables.py").write_text("\n".join(lines) + "\n")


def _literal(value: str) -> str:
    return value if value == "True" or value.isdigit() else repr(value)


def _move_addresses(file: Path, contexts_url: str) -> None:
    text = old = file.read_bytes().decode("utf-8", "surrogateescape")
    for address, path in _MOVED.items():
        text = text.replace(address, contexts_url + path)
    text = text.replace("http://localhost:9090${uri}", "${etsi_broker_origin}${uri}")
    if text != old:
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
