"""A provider in a few lines for the tests of the Our Voice adapter: it pages its list as it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from providers.http.client import Http
from tests.providers.cases.ourvoice import TABLE, message
from tests.providers.contract import http_for

ADAPTER = TABLE.adapter()
ACCOUNT = TABLE.settings()
[SENDER] = ACCOUNT.senders
NOON = datetime(2024, 1, 15, 12, 0, tzinfo=UTC)


class Provider:
    """Answers by path and records what it was asked; the list is served in pages as told."""

    def __init__(self, messages: Sequence[dict[str, Any]] = ()) -> None:
        self.messages = list(messages)
        self.asked: list[httpx.Request] = []
        self.page: Callable[[list[dict[str, Any]], int, int], list[dict[str, Any]]] = honest_page

    def http(self) -> Http:
        return http_for(ADAPTER, ACCOUNT, self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        path = request.url.path.removeprefix("/v1/whatsapp/")
        if path == "messages" or path.endswith("/session"):
            params = request.url.params
            page = self.page(self.messages, int(params["limit"]), int(params.get("page", "1")))
            return httpx.Response(200, json={"success": True, "data": page})
        found = [item for item in self.messages if path == f"messages/{item['id']}"]
        return (
            httpx.Response(200, json={"data": found[0]})
            if found
            else httpx.Response(404, json={"message": "Not found."})
        )

    @property
    def paths(self) -> list[str]:
        return [request.url.path.removeprefix("/v1/whatsapp/") for request in self.asked]


def honest_page(messages: list[dict[str, Any]], limit: int, page: int) -> list[dict[str, Any]]:
    return messages[(page - 1) * limit : page * limit]


def at_most(ceiling: int) -> Callable[[list[dict[str, Any]], int, int], list[dict[str, Any]]]:
    """A provider that gives fewer a page than it was asked for."""
    return lambda messages, limit, page: honest_page(messages, min(limit, ceiling), page)


def page_ignored(messages: list[dict[str, Any]], limit: int, page: int) -> list[dict[str, Any]]:
    return messages[:limit]


def many(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [message(id=f"m{number}", **changes) for number in range(count)]
