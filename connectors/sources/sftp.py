"""Files of a folder on an SFTP server. asyncssh is an optional extra (`datapolis[sftp]`)."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Sequence
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from connectors.egress import check_host
from connectors.errors import FeedError, Unreachable
from connectors.settings import Network
from connectors.sources.payload import Payload
from connectors.specs.closed import revealed
from connectors.specs.systems import SftpSource

try:
    import asyncssh
except ImportError:  # the extra is not installed
    asyncssh = None  # type: ignore[assignment]  # refused by name when used

__all__ = ["SftpFolder"]

_BLOCK = 65_536
_IN_MEMORY = 8_000_000


class SftpFolder:
    """Yields each file that is new or changed (size or time), whole."""

    def __init__(self, spec: SftpSource, allow: Sequence[Network]) -> None:
        if asyncssh is None:
            raise FeedError("source.kind: sftp needs the extra `sftp`: pip install 'datapolis[sftp]'")
        self._spec = spec
        self._allow = allow
        self._password = revealed(spec.password) if spec.password else None

    async def payloads(self, place: dict[str, Any]) -> AsyncGenerator[Payload, None]:
        """Yield files; `place` maps a path to {size, mtime}."""
        spec = self._spec
        await check_host(spec.host, spec.port, self._allow)
        name = spec.host if spec.port == 22 else f"[{spec.host}]:{spec.port}"
        try:
            async with (
                asyncssh.connect(
                    spec.host, spec.port, username=spec.username, password=self._password,
                    client_keys=[spec.key_file] if spec.key_file else None, config=None, agent_path=None,
                    known_hosts=asyncssh.import_known_hosts(f"{name} {spec.host_key}\n"),
                    connect_timeout=spec.timeout, login_timeout=spec.timeout, keepalive_interval=spec.timeout,
                ) as connection,
                connection.start_sftp_client() as client,
            ):  # fmt: skip
                while True:
                    for path in sorted(str(one) for one in await client.glob(spec.path)):
                        payload = await self._payload(client, path, place)
                        if payload is not None:
                            with payload.stream:
                                yield payload
                    await asyncio.sleep(spec.every)
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise Unreachable(f"{spec.host}: {type(error).__name__}: {error}") from error

    async def _payload(self, client: Any, path: str, place: dict[str, Any]) -> Payload | None:
        status = await client.stat(path)
        entry = {"size": status.size, "mtime": status.mtime}
        if place.get(path) == entry:
            return None
        if (status.size or 0) > self._spec.max_bytes:
            raise Unreachable(f"{path}: {status.size} bytes, more than source.max_bytes {self._spec.max_bytes}")
        stream = cast(BinaryIO, tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115 - closed by payloads
        async with client.open(path, "rb") as file:
            while block := await asyncio.wait_for(file.read(_BLOCK), self._spec.timeout):
                stream.write(block)
                if stream.tell() > self._spec.max_bytes:
                    raise Unreachable(f"{path}: grew beyond source.max_bytes {self._spec.max_bytes}")
        stream.seek(0)
        return Payload(PurePosixPath(path).name, stream, {path: entry})
