"""Every documented request of every provider, with one thing in it made wrong: the emulator refuses it, and nobody is
sent anything."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final

import httpx
import orjson
import pytest

from campaigns.message.content import Template, TemplateHeader
from emulators.app import create_app
from providers.adapter import Adapter, Call
from providers.http.client import Http
from providers.registry import adapter_class, open_adapter
from providers.settings import AccountSettings
from tests.emulators.conftest import FakeClock
from tests.providers.contract import Sends, table_of
from tests.providers.kapso.test_kapso_current import SENDS as CURRENT
from tests.support.mixed import ACCOUNTS, ENVIRONMENT, LEGACY, Account

ADA = "+447700900123"
EVERY = (*ACCOUNTS, LEGACY)
ALLOWED = {
    ("bird", "meta.extraInformation.colour"),
    ("bird", "body.text.actions=None"),
    ("bird", "body.list.items.#.actions=None"),
    ("messaging_api", "variables.colour"),
}
"""What the documents leave open: objects of any keys, and what may be null."""
ANYTHING: Final = re.compile(r"\.(flow_action_payload\.data|flow_action_data)\.")
"""The values for a flow's first screen are of any names and types."""
Path = tuple[str | int, ...]


def sends_of(account: Account) -> list[Sends]:
    return CURRENT if account.name == "kapso" else table_of(account.adapter).sends


def parts(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    yield path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in inner:
        yield from parts(each, (*path, step))


def replaced(body: Any, path: Path, value: Any) -> Any:
    """A copy, of which only what lies on the path is new."""
    if not path:
        return value
    step, *further = path
    whole = body.copy()
    whole[step] = replaced(body[step], tuple(further), value)
    return whole


def spelled(path: Path) -> str:
    return ".".join("#" if isinstance(step, int) else step for step in path)


def mutants(body: Any) -> Iterator[tuple[str, Any]]:
    """What is wrong and the body: an unknown key in each object, a value of another type for each value."""
    for path, value in parts(body):
        if isinstance(value, dict):
            yield spelled((*path, "colour")), replaced(body, path, {**value, "colour": "red"})
        for other in (None, True, 7, ["x"], {"x": "y"}):
            if not isinstance(other, type(value)) and not (other == 7 and isinstance(value, float)):
                yield f"{spelled(path)}={other!r}", replaced(body, path, other)


def template_for(template: Template) -> dict[str, Any]:
    """The approved template that this one fits."""
    header = template.header or TemplateHeader()
    kinds = ("text", "image", "video", "document", "location", "product")
    names = [each.name for each in template.parameters]
    return {
        "name": template.name,
        "language": template.language,
        "header": next((kind.upper() for kind in kinds if getattr(header, kind)), None),
        "parameters": names if header.name or any(names) else len(names),
        "buttons": buttons_of(template),
        "cards": len(template.cards),
        "offer": template.offer_ends is not None,
    }


def buttons_of(template: Template) -> list[str]:
    """The kinds of its buttons; those before one that is filled take nothing."""
    shown = {"code": "url", "products": "mpm"}
    filled = {button.index: shown.get(button.type, button.type) for button in template.buttons}
    return [filled.get(place, "quick_reply") for place in range(max(filled, default=-1) + 1)]


class Client:
    """One provider's account at an emulator of its own; a minute passes before each request."""

    def __init__(self, account: Account) -> None:
        keys = tomllib.loads(account.settings("http://emulator"))["providers"][account.name]
        self.account, self.clock = account, FakeClock()
        self.settings: AccountSettings = adapter_class(account.adapter).account_settings.model_validate(keys)
        self.adapter: Adapter = open_adapter(self.settings)
        self.transport = httpx.ASGITransport(create_app(clock=self.clock))
        self.http = httpx.AsyncClient(transport=self.transport, base_url="http://emulator")
        self._request: httpx.Request | None = None

    async def control(self, call: str, body: dict[str, Any]) -> None:
        answer = await self.http.post(f"/{self.account.adapter}/_control/{call}", json=body)
        assert answer.status_code == 200, answer.text

    async def body_of(self, row: Sends) -> Any:
        """The body of the row's request, to Ada, whose window is open."""
        if self.account.adapter != "ourvoice":
            await self.control("inbound", {"from": ADA if self.account.adapter == "kapso" else [ADA]})
        if row.content.template and self.account.adapter in ("meta", "kapso"):
            await self.control("templates", template_for(row.content.template))
        for file in row.content.media:
            if file.id:
                await self.control("media", {"id": file.id})
        more = {name: value for name, value in row.more.items() if name != "conversations"}
        call = Call(self.settings.senders[0], (ADA,), row.content, **more)
        http = Http(self.settings.base_url, self.adapter.credentials, transport=self.transport)
        prepared = await self.adapter.prepare(http, call)
        assert isinstance(prepared, Call)
        self._request = self.adapter.build(prepared)
        return orjson.loads(self._request.content)

    async def post(self, body: Any) -> httpx.Response:
        assert self._request is not None
        self.clock.move(60)
        headers = {**self._request.headers, **self.adapter.credentials()}
        if "Idempotency-Key" in headers:
            headers["Idempotency-Key"] = str(self.clock())
        url = str(self._request.url)
        return await self.http.post(url, headers=headers, content=orjson.dumps(body))

    async def total(self) -> int:
        return (await self.http.get("/_ledger/summary")).json()["total"]


@pytest.mark.parametrize("again", [False, pytest.param(True, marks=pytest.mark.large)])
@pytest.mark.parametrize("account", EVERY, ids=[account.name for account in EVERY])
async def test_a_request_with_one_thing_wrong_is_refused(
    account: Account, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each wrong thing once for each type of message, or in each request of the documents `again`."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    client, wrong, seen = Client(account), [], set[tuple[str, str]]()
    for row in sends_of(account):
        body = await client.body_of(row)
        assert (await client.post(body)).is_success
        before = await client.total()
        for name, mutant in mutants(body):
            known = (row.content.type, name) in seen and not again
            seen.add((row.content.type, name))
            if not known and (account.name, name) not in ALLOWED and not ANYTHING.search(name):
                answer = await client.post(mutant)
                wrong += [(row.why, name, answer.status_code)] if not 400 <= answer.status_code < 500 else []
        assert await client.total() == before
    await client.http.aclose()
    assert wrong == []
