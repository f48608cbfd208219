"""Notices on their way: signed webhooks and e-mail, each with a timeout and a check of where it goes.

A webhook is a POST of the notice as JSON. `Datapolis-Notice` is its id, the same at every try, so that a receiver can
drop what it has seen; `Datapolis-Signature` is `t=<unix time>,v1=<hex>`, the HMAC-SHA256 of `<t>.<body>` under the
secret that was shown when the address was named.
"""

from __future__ import annotations

import asyncio
import hmac
import smtplib
import socket
import time
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
import orjson

from broker.core.egress import Ranges, permitted, refusal
from policies.store.notices import Owed

__all__ = ["Failed", "Mail", "signature", "webhook"]


class Failed(Exception):
    """The notice was not taken; the text says why."""


def signature(secret: str, moment: int, body: bytes) -> str:
    """Sign a webhook's body."""
    digest = hmac.new(secret.encode(), b"%d." % moment + body, "sha256").hexdigest()
    return f"t={moment},v1={digest}"


async def webhook(http: aiohttp.ClientSession, owed: Owed, secret: str) -> None:
    """POST a notice; any 2xx takes it. Raises Failed."""
    body = orjson.dumps({"id": owed.id, "subject": owed.subject, **owed.body})
    headers = {
        "Content-Type": "application/json",
        "Datapolis-Notice": owed.id,
        "Datapolis-Signature": signature(secret, int(time.time()), body),
    }
    try:
        async with http.post(owed.address, data=body, headers=headers, allow_redirects=False) as answer:
            if not 200 <= answer.status < 300:
                raise Failed(f"the webhook answered {answer.status}")
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise Failed(f"the webhook cannot be called: {type(error).__name__}: {error}") from error


class Mail:
    """A mail server: `smtp://user:password@host:port` (with STARTTLS where offered) or `smtps://`."""

    def __init__(self, url: str, sender: str, allowed: Ranges, timeout_s: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("DATAPOLIS_SMTP_URL must be smtp://[user:password@]host[:port] or smtps://...")
        self._tls = parts.scheme == "smtps"
        self._host = parts.hostname
        self._port = parts.port or (465 if self._tls else 587)
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._sender = sender
        self._allowed = allowed
        self._timeout_s = timeout_s

    async def send(self, owed: Owed) -> None:
        """Send a notice as plain text. Raises Failed."""
        try:
            await asyncio.to_thread(self._send, self._message(owed))
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise Failed(f"the mail cannot be sent: {type(error).__name__}: {error}") from error

    def _message(self, owed: Owed) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = " ".join(owed.subject.split())
        message["From"] = self._sender
        message["To"] = owed.address
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{owed.id}@{self._sender.rpartition('@')[2].rstrip('>')}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(_text(owed.subject, owed.body))
        return message

    def _send(self, message: EmailMessage) -> None:
        with self._connected() as server:
            if self._user:
                server.login(self._user, self._password)
            server.send_message(message)

    def _connected(self) -> smtplib.SMTP:
        found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        addresses = [str(each[4][0]) for each in found]
        for address in addresses:
            if not permitted(address, self._allowed):
                raise PermissionError(refusal(address))
        kind = smtplib.SMTP_SSL if self._tls else smtplib.SMTP
        server: smtplib.SMTP = kind(timeout=self._timeout_s)
        # The name is what certificates are checked against; the connection goes to the address that was checked.
        server._host = self._host  # type: ignore[attr-defined]  # smtplib's own, not in its stubs
        server.connect(addresses[0], self._port)
        server.ehlo()
        if not self._tls and server.has_extn("starttls"):
            server.starttls()
            server.ehlo()
        elif self._user and not self._tls:
            server.close()
            raise OSError("the mail server offers no TLS, so the password is not sent to it")
        return server


def _text(subject: str, body: Mapping[str, Any]) -> str:
    lines = [subject, ""]
    lines += [
        f"{name.replace('_', ' ').capitalize()}: {value}" for name, value in body.items() if name not in ("url", "kind")
    ]
    return "\n".join([*lines, "", str(body["url"]), ""])
