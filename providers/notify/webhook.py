"""The signed webhook: a POST with the event as JSON.

Drumbeat-Event: paused
Drumbeat-Id: 5f0c…                       the same each time this event is sent
Drumbeat-Timestamp: 1796083200           seconds since 1970, of this attempt
Drumbeat-Signature: v1=9b2f…             HMAC-SHA256 of TIMESTAMP.BODY with the secret, in hexadecimal
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from typing import Final

from campaigns.masking import masked
from providers.http.client import JSON_HEADERS, Answer, Http, NotSent
from providers.http.request import Request, Url
from providers.notify.outcome import Undelivered
from providers.settings import Secret

TIMEOUT: Final = 10.0
"""Seconds for the connection and the answer."""


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """As the header has it."""
    signed = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"v1={signed.hexdigest()}"


async def post_signed(
    url: str, secret: Secret, event: str, uid: str, body: bytes, now: datetime
) -> Undelivered | None:
    """None: it was taken. Raises UsageError where the secret is missing."""
    timestamp = str(int(now.timestamp()))
    headers = {
        **JSON_HEADERS,
        "Drumbeat-Event": event,
        "Drumbeat-Id": uid,
        "Drumbeat-Timestamp": timestamp,
        "Drumbeat-Signature": signature(secret.reveal(), timestamp, body),
    }
    http = Http(url, timeout=TIMEOUT)
    try:
        reply = await http.exchange(Request("POST", Url(url), headers, body))
    finally:
        await http.aclose()
    match reply:
        case Answer(ok=True):
            return None
        case Answer(status=status) if 300 <= status < 400:
            return Undelivered(f"It answered {status}, a redirect: correct the url.")
        case Answer():
            return Undelivered(_problem(f"It answered {reply.status}", reply.text), reply.retry_after)
        case NotSent():
            return Undelivered(_problem("It cannot be reached", reply.text))
    return Undelivered(_problem("It gave no answer", reply.text))


def _problem(what: str, text: str) -> str:
    return masked(f"{what}: {text}") if text else f"{what}."
