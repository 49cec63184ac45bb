"""The list of an account's templates: stored whole, with when it was read, and why it could not be."""

from __future__ import annotations

import asyncio

from campaigns.message.provider_templates import ButtonPart, HeaderPart, ProviderTemplate, TemplateParts
from storage.audience.templates import (
    TemplateList,
    expire_list,
    find_list,
    find_lists,
    find_templates,
    note_problem,
    store_templates,
)
from storage.database.engine import Engine, reading, writing
from tests.support.campaigns import later

WHOLE = ProviderTemplate(
    "sale",
    "en_US",
    "REJECTED",
    "marketing",
    TemplateParts(
        HeaderPart("image"), "Hi {{1}} 🎉", "x", (ButtonPart("url", "Go", "https://x/{{1}}"),), ("carousel",)
    ),
    "utility",
    "GREEN",
    "INVALID_FORMAT",
)
PLAIN = ProviderTemplate("news", "fr", "APPROVED", "utility", TemplateParts(body="Bonjour"))


async def test_a_list_takes_the_place_of_the_one_before(engine: Engine) -> None:
    async with writing(engine) as connection:
        assert await find_list(connection, "ours") == TemplateList("ours")
        await store_templates(connection, "ours", [WHOLE, PLAIN], later(1))
        await store_templates(connection, "theirs", [PLAIN], later(2))
    async with reading(engine) as connection:
        assert await find_templates(connection, "ours") == [PLAIN, WHOLE]
        assert await find_templates(connection, "ours", "sale") == [WHOLE]
    async with writing(engine) as connection:
        await store_templates(connection, "ours", [], later(3))
    async with reading(engine) as connection:
        assert await find_templates(connection, "ours") == []
        assert await find_templates(connection, "theirs") == [PLAIN]
        lists = await find_lists(connection, ["ours", "theirs", "nobody"])
    assert [each.fetched_at for each in lists.values()] == [later(3), later(2), None]


async def test_a_problem_and_an_event_leave_the_list_as_it_is(engine: Engine) -> None:
    async with writing(engine) as connection:
        await note_problem(connection, "new", "no permission", later(1))
        await store_templates(connection, "ours", [PLAIN], later(1))
        await note_problem(connection, "ours", "no answer", later(2))
        await expire_list(connection, "ours", later(3))
        await expire_list(connection, "nobody", later(3))
    async with reading(engine) as connection:
        assert await find_list(connection, "new") == TemplateList(
            "new", None, None, "no permission", later(1)
        )
        assert await find_list(connection, "ours") == TemplateList(
            "ours", later(1), later(3), "no answer", later(2)
        )
        assert await find_templates(connection, "ours") == [PLAIN]
    async with writing(engine) as connection:
        await store_templates(connection, "ours", [WHOLE], later(2))  # was asked for before the event
        assert await find_list(connection, "ours") == TemplateList("ours", later(2), later(3))
        await store_templates(connection, "ours", [WHOLE], later(4))
        assert await find_list(connection, "ours") == TemplateList("ours", later(4))


async def test_two_processes_may_store_it_at_once(engine: Engine) -> None:
    async def store(second: int) -> None:
        async with writing(engine) as connection:
            await store_templates(connection, "ours", [WHOLE, PLAIN], later(second))

    await asyncio.gather(*map(store, range(4)))
    async with reading(engine) as connection:
        assert len(await find_templates(connection, "ours")) == 2
