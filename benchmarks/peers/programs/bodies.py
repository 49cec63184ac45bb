"""The message that all send."""

from __future__ import annotations

import json

HEADERS = {"content-type": "application/json", "authorization": "Bearer the key of the benchmarks"}


def body(number: int) -> bytes:
    """Meta's request for a template with two variables."""
    parameters = [{"type": "text", "text": "Ada"}, {"type": "text", "text": f"SPRING{number}"}]
    return json.dumps(
        {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": f"44{7_100_000_000 + number}",
            "type": "template",
            "template": {
                "name": "spring",
                "language": {"code": "en"},
                "components": [{"type": "body", "parameters": parameters}],
            },
        }
    ).encode()


def message_id(answer: bytes) -> str:
    """What the provider calls the message."""
    return str(json.loads(answer)["messages"][0]["id"])
