"""The issuer's HTTP: discovery, keys, and the token endpoint with client credentials (RFC 6749, 4.4)."""

from __future__ import annotations

import asyncio
import signal
from base64 import b64decode
from collections.abc import Mapping
from hmac import compare_digest
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from aiohttp import web

from policies.city import Client
from policies.issuer.signing import SigningKeys, claims
from policies.purposes import iri

__all__ = ["Issuer", "listen_at"]

_TTL_S = 3600


class NotLoopback(ValueError):
    """The development issuer would be reachable from outside."""


def listen_at(url: str) -> tuple[str, int]:
    """Give host and port of the issuer's own URL; only the loopback is served."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or not (host == "localhost" or _loopback(host)):
        raise NotLoopback(f"DATAPOLIS_ISSUER is {url}; the development issuer serves http://127.0.0.1:<port> only")
    return host, parts.port or 80


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Issuer:
    """Issues tokens to the city's demo clients."""

    def __init__(
        self,
        url: str,
        audience: str,
        keys: SigningKeys,
        clients: Mapping[str, Client],
        secrets: Mapping[str, str],
    ) -> None:
        self.url = url
        self.audience = audience
        self.keys = keys
        self._clients = clients
        self._secrets = secrets
        self._issued = 0

    def app(self) -> web.Application:
        """Build the application."""
        app = web.Application(client_max_size=16 * 1024)
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self._discovery),
                web.get("/jwks.json", self._jwks),
                web.post("/token", self._token),
                web.get("/health/live", self._health),
                web.get("/health/ready", self._health),
                web.get("/metrics", self._metrics),
            ]
        )
        return app

    async def serve(self, host: str, port: int) -> None:
        """Serve until SIGTERM or SIGINT; SIGUSR1 rotates the signing key."""
        runner = web.AppRunner(self.app(), access_log=None)
        await runner.setup()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        loop.add_signal_handler(signal.SIGUSR1, self.keys.rotate)
        try:
            await web.TCPSite(runner, host, port).start()
            await stop.wait()
        finally:
            await runner.cleanup()

    async def _discovery(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/jwks.json",
                "token_endpoint": f"{self.url}/token",
                "grant_types_supported": ["client_credentials"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "id_token_signing_alg_values_supported": ["RS256", "ES256"],
                "response_types_supported": ["token"],
                "subject_types_supported": ["public"],
                "claims_supported": ["iss", "aud", "exp", "iat", "nbf", "sub", "party", "tier", "roles", "purpose"],
            }
        )

    async def _jwks(self, _: web.Request) -> web.Response:
        return web.json_response(self.keys.jwks(), headers={"Cache-Control": "max-age=60"})

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(text=f"# TYPE datapolis_tokens_issued counter\ndatapolis_tokens_issued {self._issued}\n")

    async def _token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        if form.get("grant_type") != "client_credentials":
            return _error(400, "unsupported_grant_type", "grant_type must be client_credentials")
        name, secret = _credentials(request.headers.get("Authorization"), form)
        client, expected = self._clients.get(name), self._secrets.get(name)
        if client is None or expected is None or not compare_digest(secret.encode(), expected.encode()):
            return _error(401, "invalid_client", "client or secret is wrong; secrets are in clients.json of the state")
        purposes = [iri(purpose) for purpose in client.purposes]
        if "purpose" in form:
            if iri(form["purpose"]) not in purposes:
                return _error(400, "invalid_scope", f"the client's purposes are {', '.join(purposes) or 'none'}")
            purposes = [iri(form["purpose"])]
        self._issued += 1
        token = self.keys.sign(
            claims(
                self.url,
                self.audience,
                client.party,
                client.tier,
                sub=name,
                roles=client.roles,
                purposes=purposes,
                ttl_s=_TTL_S,
            )
        )
        body = {"access_token": token, "token_type": "Bearer", "expires_in": _TTL_S}
        return web.json_response(body, headers={"Cache-Control": "no-store"})


def _credentials(authorization: str | None, form: Mapping[str, str]) -> tuple[str, str]:
    """Read client and secret from the Basic header or the form (RFC 6749, 2.3.1)."""
    if authorization and authorization.lower().startswith("basic "):
        try:
            name, _, secret = b64decode(authorization[6:], validate=True).decode().partition(":")
        except ValueError:
            return "", ""
        return unquote(name), unquote(secret)
    return form.get("client_id", ""), form.get("client_secret", "")


def _error(status: int, error: str, description: str) -> web.Response:
    headers = {"WWW-Authenticate": "Basic"} if status == 401 else {}
    return web.json_response({"error": error, "error_description": description}, status=status, headers=headers)
