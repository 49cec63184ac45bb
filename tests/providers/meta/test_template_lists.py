"""The list of templates, of Meta and through Kapso: read whole, in pages, and whatever values it holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from campaigns.errors import AccountError, DrumbeatError, Unavailable
from campaigns.message.content import Content, MessageType, Template
from campaigns.message.provider_templates import ProviderTemplate, read_parts, write_parts
from providers.adapter import Adapter, Call
from providers.kapso.legacy_body import message_of as legacy_message
from providers.meta.templates import MOST_PAGES, PAGE
from providers.registry import ADAPTERS, account_settings, open_adapter
from providers.settings import AccountSettings
from storage.audience.templates import find_templates, store_templates
from storage.database.engine import Engine, reading, writing
from tests.providers.cases.templates import KAPSO_PAGE, KAPSO_READ, META_PAGE, META_READ
from tests.providers.contract import SECRET_PLACE, http_for, table_of
from tests.providers.test_hostile import some, spoiled
from tests.support.campaigns import later

ACCOUNT = "102290129340398"
Handler = Callable[[httpx.Request], httpx.Response]
BOTH = pytest.mark.parametrize("name", ["meta", "kapso"])


def account_of(name: str, **keys: Any) -> AccountSettings:
    values = {"adapter": name, "api_key": SECRET_PLACE, "business_account_id": ACCOUNT, **keys}
    return account_settings(name).model_validate(values)


async def listed(name: str, handler: Handler) -> list[ProviderTemplate]:
    settings = account_of(name)
    adapter: Adapter = open_adapter(settings)
    assert adapter.templates_unlisted() is None
    http = http_for(adapter, settings, handler)
    try:
        return await adapter.list_templates(http)
    finally:
        await http.aclose()


def answering(*pages: Any) -> Handler:
    left = list(pages)
    return lambda _: httpx.Response(200, json=left.pop(0))


@BOTH
async def test_a_documented_page_is_read(name: str) -> None:
    assert await listed(name, answering(KAPSO_PAGE)) == KAPSO_READ
    assert await listed(name, answering(META_PAGE)) == META_READ
    for each in (*KAPSO_READ, *META_READ):
        assert read_parts(write_parts(each.parts)) == each.parts


@pytest.mark.parametrize(
    ("name", "path", "fields"),
    [
        ("meta", f"/v24.0/{ACCOUNT}/message_templates", True),
        ("kapso", f"/meta/whatsapp/v24.0/{ACCOUNT}/message_templates", False),
    ],
)
async def test_the_list_is_asked_for_as_documented(name: str, path: str, fields: bool) -> None:
    asked: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(200, json=KAPSO_PAGE)

    await listed(name, answer)
    assert (asked[0].path, asked[0].params["limit"], "fields" in asked[0].params) == (path, "100", fields)


def page(first: int, count: int, after: str, **paging: Any) -> dict[str, Any]:
    data = [
        {"name": f"t{number}", "language": "en", "status": "APPROVED", "category": "UTILITY"}
        for number in range(first, first + count)
    ]
    return {"data": data, "paging": {"cursors": {"after": after}, **paging}}


@BOTH
async def test_every_page_is_read_whether_or_not_the_next_is_announced(name: str) -> None:
    cursors: list[str | None] = []
    pages = {
        None: page(0, 3, "a", next="https://graph.facebook.com/next"),
        "a": page(3, PAGE, "b"),
        "b": page(3 + PAGE, 2, "c"),
    }

    def answer(request: httpx.Request) -> httpx.Response:
        cursors.append(request.url.params.get("after"))
        return httpx.Response(200, json=pages[cursors[-1]])

    found = await listed(name, answer)
    assert [each.name for each in found] == [f"t{number}" for number in range(5 + PAGE)]
    assert cursors == [None, "a", "b"]


@pytest.mark.parametrize("same", [True, False])
async def test_a_list_without_end_is_no_list(same: bool) -> None:
    asked = 0

    def answer(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(200, json=page(0, PAGE, "a" if same else f"a{asked}"))

    with pytest.raises(Unavailable, match="does not end"):
        await listed("meta", answer)
    assert asked == (2 if same else MOST_PAGES)


@pytest.mark.parametrize(
    ("status", "body", "wanted"),
    [
        (403, {"error": {"message": "(#200) Permissions error", "code": 200}}, AccountError),
        (400, {"error": {"message": "Unsupported get request", "code": 100}}, Unavailable),
        (200, {"data": None}, Unavailable),
        (200, [], Unavailable),
    ],
)
async def test_what_is_no_list_is_an_error(status: int, body: Any, wanted: type[DrumbeatError]) -> None:
    with pytest.raises(wanted):
        await listed("meta", lambda _: httpx.Response(status, json=body))


@pytest.mark.parametrize("document", [KAPSO_PAGE, META_PAGE])
async def test_every_list_can_be_stored(engine: Engine, document: Any) -> None:
    bodies = some(spoiled(document))
    found: dict[tuple[str, str], ProviderTemplate] = {}
    for body in bodies:
        try:
            answers = [httpx.Response(200, content=body), httpx.Response(200, json={"data": []})]
            for each in await listed("meta", lambda _, left=answers: left.pop(0)):
                found[each.name, each.language] = each
                assert orjson.loads(write_parts(each.parts)) is not None
        except DrumbeatError:
            continue
    assert len(found) > 4
    async with writing(engine) as connection:
        await store_templates(connection, "meta", list(found.values()), later(1))
    async with reading(engine) as connection:
        assert {
            (each.name, each.language): each for each in await find_templates(connection, "meta")
        } == found


def test_accounts_without_a_list_say_why() -> None:
    for name in ADAPTERS:
        why = open_adapter(table_of(name).settings()).templates_unlisted()
        assert why is not None
        assert ("business_account_id" in why) == (name == "meta"), why
    for name in ("meta", "kapso"):
        adapter = open_adapter(account_of(name, business_account_id=None))
        assert "business_account_id" in str(adapter.templates_unlisted())


def test_a_language_is_sent_as_meta_writes_it() -> None:
    content = Content(MessageType.TEMPLATE, template=Template("sale", "pt-BR"))
    for name in ("meta", "kapso"):
        settings = account_of(name, senders=[{"name": "shop", "phone_number_id": "1"}])
        request = open_adapter(settings).build(Call(settings.senders[0], ("+447700900010",), content))
        assert orjson.loads(request.content)["template"]["language"] == {"code": "pt_BR"}
    assert legacy_message(content)["template_language"] == "pt_BR"
