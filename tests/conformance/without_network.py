"""A broker in a network namespace that has a loopback interface alone: started, used, and what came back printed."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from typing import Any
from urllib.error import HTTPError, URLError

import orjson

_SIOCSIFFLAGS, _UP_AND_RUNNING = 0x8914, 0x41
_CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
_PORT = 18026
_BASE = f"http://127.0.0.1:{_PORT}"


def main() -> None:
    """Print one line of JSON."""
    _loopback_up()
    given = {"DATAPOLIS_BROKER_PORT": str(_PORT), "DATAPOLIS_BROKER_URL": _BASE, "DATAPOLIS_ADMIN_PORT": "18027"}
    broker = subprocess.Popen([sys.executable, "-m", "broker", "serve"], env={**os.environ, **given}, stdout=sys.stderr)
    try:
        _wait(broker)
        print(orjson.dumps({"network": _network(), **_use()}).decode())
    finally:
        broker.terminate()
        broker.wait(20)


def _use() -> dict[str, Any]:
    other = _create(4, "https://a.example/context.jsonld")
    return {
        "create": _create(1, None)[0],
        "create under the core @context by its URL": _create(2, _CORE)[0],
        "create under the city's @context": _create(3, f"{_BASE}/ngsi-ld/v1/jsonldContexts/city")[0],
        "retrieve": _call("GET", "/entities/urn:x:1")[1],
        "query": len(_call("GET", "/entities?local=true")[1]),
        "create under another @context": [other[0], other[1]["type"]],
        "types": _call("GET", "/types")[0],
    }


def _create(number: int, context: str | None) -> tuple[int, Any]:
    return _call("POST", "/entities", {"id": f"urn:x:{number}", "type": "Car", "speed": {"value": number}}, context)


def _call(method: str, path: str, body: Any = None, context: str | None = None) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if context is not None:
        headers["Link"] = f'<{context}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
    data = orjson.dumps(body) if body is not None else None
    request = urllib.request.Request(f"{_BASE}/ngsi-ld/v1{path}", data, headers, method=method)  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - loopback
            text = answer.read()
            return answer.status, orjson.loads(text) if text else None
    except HTTPError as error:
        return error.code, orjson.loads(error.read())


def _loopback_up() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _UP_AND_RUNNING))


def _network() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError as error:
            return "unreachable" if error.errno == errno.ENETUNREACH else str(error)
    return "reachable"


def _wait(broker: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if broker.poll() is not None:
            raise RuntimeError(f"the broker ended with {broker.returncode}")
        try:
            urllib.request.urlopen(f"{_BASE}/health/ready", timeout=1).close()  # noqa: S310 - loopback
            return
        except (URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError("the broker was not ready within 30 s")


if __name__ == "__main__":
    main()
