"""What a check of a draft's list says, and how long it holds."""

from __future__ import annotations

from typing import Any

import pytest

from app.actions.drafts.drafts import create_draft, open_draft, save_section
from app.actions.drafts.lists import receive_list, rejected_lines
from app.views.drafts import list_checks
from app.views.drafts.list_checks import ListCheck, check_list, known_check
from app.wiring.settings import Settings
from tests.app.actions.drafts.test_lists import checked, chunks, people, settings
from tests.support.project import CAMPAIGN
from tests.support.workbooks import zipped

__all__ = ["settings"]


async def test_a_check_is_kept_until_the_list_or_its_use_changes(settings: Settings) -> None:
    await create_draft(settings, "spring", CAMPAIGN)
    await receive_list(settings, "spring", "people.csv", chunks(people(10, {3})))
    await checked(settings)
    draft = await save_section(settings, "spring", {"pace.rate": "2/s", "hours.allow": "09:00-19:00"}, None)
    assert known_check(draft) is not None
    for changes in ({"audience.duplicates": "last"}, {"content.text": "Hi {{ note }}"}):
        assert known_check(await save_section(settings, "spring", changes, None)) is None
        await checked(settings)
    draft = await open_draft(settings, "spring")
    assert draft.list_path is not None
    draft.list_path.write_bytes(people(11, {3}))
    assert known_check(draft) is None


async def test_a_check_of_a_list_that_was_replaced_meanwhile_is_not_kept(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = list_checks._check

    async def slow(*given: Any) -> ListCheck:
        found = await check(*given)
        await receive_list(settings, "spring", "people.csv", chunks(people(20, {5})))
        return found

    monkeypatch.setattr(list_checks, "_check", slow)
    await create_draft(settings, "spring", CAMPAIGN)
    await receive_list(settings, "spring", "people.csv", chunks(people(10, {3})))
    await check_list(settings, "spring")
    draft = await open_draft(settings, "spring")
    assert known_check(draft) is None
    assert rejected_lines(draft.folder) == frozenset()


async def test_without_a_message_only_the_list_is_judged(settings: Settings) -> None:
    await create_draft(settings, "spring")
    await receive_list(settings, "spring", "people.csv", chunks(people(10, {3})))
    found = await checked(settings)
    assert (found.accepted, found.reasons, found.needed) == (9, {"phone_too_short": 1}, [])
    assert [(column.name, column.first, column.empty) for column in found.columns] == [
        ("Phone", "+447700900000", 0), ("First Name", "Name 0", 0), ("Note", 'a "note"', 0),
    ]  # fmt: skip


async def test_too_many_bad_rows_are_shown_all_the_same(settings: Settings) -> None:
    await create_draft(settings, "spring", CAMPAIGN.replace("max_reject_percent = 50", ""))
    await receive_list(settings, "spring", "people.csv", chunks(people(10, {1, 2, 3})))
    found = await checked(settings)
    assert (found.too_many, found.accepted, len(found.bad)) == (True, 7, 3)


async def test_a_list_without_phones_shows_its_columns(settings: Settings) -> None:
    await create_draft(settings, "spring", CAMPAIGN)
    await receive_list(settings, "spring", "p.csv", chunks("Nom;Ville\nZoé;Paris\n;Lyon\n".encode()))
    found = await checked(settings)
    assert found.problem is not None
    assert found.problem.code == "phone_column_missing"
    assert [(column.name, column.first, column.empty) for column in found.columns] == [
        ("Nom", "Zoé", 1), ("Ville", "Paris", 0),
    ]  # fmt: skip


async def test_a_workbook_that_unpacks_to_gigabytes_is_refused_through_this_door(settings: Settings) -> None:
    sheet = "<worksheet><sheetData>" + '<row r="1"><c r="A1"><v>1</v></c></row>' * 10
    bomb = bytearray(zipped({"xl/workbook.xml": "<workbook/>", "xl/worksheets/sheet1.xml": sheet}))
    at = bomb.rfind(b"PK\x01\x02")
    bomb[at + 24 : at + 28] = (0xF0000000).to_bytes(4, "little")  # its size, as the directory states it
    await create_draft(settings, "spring", CAMPAIGN)
    await receive_list(settings, "spring", "people.xlsx", chunks(bytes(bomb)))
    found = await checked(settings)
    assert found.problem is not None
    assert (found.problem.code, found.accepted) == ("too_large", 0)
