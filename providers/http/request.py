"""A request to a provider, and its bytes on the wire."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from functools import cached_property, lru_cache
from typing import Final, NamedTuple

import httpx

from campaigns.frozen import frozen

Headers = Mapping[str, str]

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Origin(NamedTuple):
    """What one connection leads to."""

    host: str
    port: int
    tls: bool


class Url(httpx.URL):
    """A parsed URL. Adapters parse theirs once: to parse one takes as long as building the rest of a request."""

    @cached_property
    def origin(self) -> Origin:
        tls = self.scheme == "https"
        return Origin(self.raw_host.decode(), self.port or (443 if tls else 80), tls)

    @cached_property
    def target(self) -> bytes:
        """What follows the method."""
        return self.raw_path

    @cached_property
    def host_line(self) -> bytes:
        return b"Host: " + self.netloc


@frozen
class Request:
    """One request. Its headers and content are not part of `repr`."""

    method: str
    url: Url
    headers: Headers = field(default_factory=dict, repr=False)
    content: bytes = field(default=b"", repr=False)

    def encode(self, secrets: Headers) -> bytes:
        """Head and body. Raises ValueError where a header cannot be sent, without its value."""
        lines = [b"%s %s HTTP/1.1" % (self.method.encode(), self.url.target), self.url.host_line]
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
