"""A request to a provider, and its bytes on the wire."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import httpx

from campaigns.frozen import frozen

Url = httpx.URL
"""Type of parsed URLs. Adapters parse a URL once, because parsing takes as long as building the rest of a request."""
Headers = Mapping[str, str]

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Origin:
    """What one connection leads to."""

    host: str
    port: int
    tls: bool


@frozen
class Request:
    """One request. Its headers and content are not part of `repr`."""

    method: str
    url: Url
    headers: Headers = field(default_factory=dict, repr=False)
    content: bytes = field(default=b"", repr=False)

    @property
    def origin(self) -> Origin:
        url, tls = self.url, self.url.scheme == "https"
        return Origin(url.raw_host.decode(), url.port or (443 if tls else 80), tls)

    def encode(self, secrets: Headers) -> bytes:
        """Head and body. Raises ValueError where a header cannot be sent, without its value."""
        url = self.url
        lines = [b"%s %s HTTP/1.1" % (self.method.encode(), url.raw_path), b"Host: " + url.netloc]
        lines += [_usual_line(name, value) for name, value in self.headers.items()]
        lines += [_line(name, value) for name, value in secrets.items()]
        if self.content or self.method not in ("GET", "HEAD"):
            lines.append(b"Content-Length: %d" % len(self.content))
        return b"\r\n".join([*lines, b"", self.content])


def _line(name: str, value: str) -> bytes:
    if not (value.isascii() and value.isprintable() and _NAME.fullmatch(name)):
        raise ValueError(f"The header {name!r} has a character that cannot be sent.")
    return f"{name}: {value}".encode()


_usual_line = lru_cache(maxsize=256)(_line)
"""Most are the same in every request. No secret is kept here."""
