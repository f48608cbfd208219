"""The catalog's own service token: client credentials at the city's OIDC issuer, kept until shortly before it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import aiohttp

__all__ = ["ServiceToken", "TokenUnavailable"]

_EARLY_S = 30.0


class TokenUnavailable(Exception):
    """The issuer gave no token; the text says what it answered and what to check."""


class ServiceToken:
    """Fetches a token when there is none or the present one is about to end."""

    def __init__(self, http: aiohttp.ClientSession, url: str, client_id: str, secret: Callable[[], str]) -> None:
        self._http, self._url, self._client_id, self._secret = http, url, client_id, secret
        self._token = ""
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def value(self) -> str:
        """The token to send. Raises TokenUnavailable."""
        async with self._lock:
            if time.monotonic() >= self._until:
                await self._fetch()
            return self._token

    def forget(self) -> None:
        """Drop the present token, after it was refused."""
        self._until = 0.0

    async def _fetch(self) -> None:
        form = {"grant_type": "client_credentials"}
        headers = {"Authorization": aiohttp.encode_basic_auth(self._client_id, self._secret())}
        try:
            async with self._http.post(self._url, data=form, headers=headers) as answer:
                body = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise TokenUnavailable(f"{self._url} gave no token ({type(error).__name__}: {error})") from error
        token = body.get("access_token") if isinstance(body, dict) else None
        if answer.status != 200 or not isinstance(token, str):
            why = body.get("error_description") or body.get("error") if isinstance(body, dict) else None
            raise TokenUnavailable(
                f"{self._url} answered {answer.status} ({why or 'no access_token'}); check DATAPOLIS_CATALOG_CLIENT_ID "
                "and DATAPOLIS_CATALOG_CLIENT_SECRET, or clients.json in DATAPOLIS_STATE"
            )
        life = body.get("expires_in")
        self._token = token
        self._until = time.monotonic() + max(1.0, float(life) - _EARLY_S if isinstance(life, int | float) else 60.0)
