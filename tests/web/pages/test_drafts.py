"""Drafts in the browser: from a list to its corrected rows, with no word of a stranger run as HTML."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.actions.drafts.drafts import drafts_folder, open_draft
from app.views.drafts import list_step
from app.views.drafts.drafts import list_drafts
from app.wiring.rights import Role
from app.wiring.settings import Settings, load_settings
from tests.app.actions.drafts.test_lists import people
from tests.support.pages import Browser, log_in_as
from tests.support.project import CAMPAIGN, SETTINGS
from tests.support.workbooks import xlsx

OURS = {"sec-fetch-site": "same-origin"}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("OURVOICE_API_KEY", "x")
    monkeypatch.setattr(list_step, "PATIENCE", 60)
    (tmp_path / "drumbeat.toml").write_text(SETTINGS.format(port=9))
    return load_settings(tmp_path / "drumbeat.toml")


@pytest.fixture
async def editor(engine: AsyncEngine, settings: Settings) -> AsyncIterator[Browser]:
    async with Browser(engine, settings) as browser:
        await log_in_as(browser, engine, Role.EDITOR)
        yield browser


async def send(browser: Browser, address: str, name: str, content: bytes, **fields: str) -> httpx.Response:
    return await browser.client.post(
        address, files={"file": (name, content)}, data=fields, headers=OURS, follow_redirects=True
    )


async def start(browser: Browser, settings: Settings, text: str = CAMPAIGN) -> None:
    answer = await send(browser, "/campaigns/new/file", "spring.toml", text.encode())
    assert answer.status_code == 200, answer.text
    assert (await open_draft(settings, "spring")).text == text


async def test_a_new_campaign_begins_with_its_name(editor: Browser, settings: Settings) -> None:
    answer = await editor.post("/campaigns/new", {"name": "spring"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/campaigns/drafts/spring/list")
    page = await editor.get("/campaigns/drafts/spring/list")
    assert "Drop a CSV or spreadsheet here" in page.text
    again = await editor.post("/campaigns/new", {"name": "spring"})
    assert again.status_code == 422
    assert "There is a draft &#39;spring&#39; already." in again.text


LIST = "/campaigns/drafts/spring/list"


async def test_half_of_forty_bad_rows_go_through_the_round_trip(editor: Browser, settings: Settings) -> None:
    bad = set(range(3, 1000, 25))
    await start(editor, settings)
    page = await send(editor, LIST, "people.csv", people(1000, bad))
    assert page.status_code == 200
    assert re.search(r"960</dd>", page.text)
    assert "Phone too short" in page.text
    assert page.text.count('class="at-fault"') == 40

    rejects = await editor.get(f"{LIST}/rejects.csv")
    assert rejects.headers["content-disposition"] == 'attachment; filename="people.rejects.csv"'
    rows = list(csv.reader(io.StringIO(rejects.content.decode("utf-8-sig"), newline=""), delimiter=";"))
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";")
    writer.writerows([rows[0], *([f"+4477008{row[3]:0>5}", *row[1:]] for row in rows[1:21])])
    page = await send(editor, f"{LIST}/corrections", "mended.csv", text.getvalue().encode())
    assert page.status_code == 200
    assert re.search(r"980</dd>", page.text)
    assert "20 rows put back" in page.text
    assert page.text.count('class="at-fault"') == 20
    assert "Continue with 980 recipients" in page.text
    assert [(row.name, row.changed_by) for row in await list_drafts(settings)] == [("spring", "editor")]


async def test_rows_without_a_place_are_named(editor: Browser, settings: Settings) -> None:
    await start(editor, settings)
    await send(editor, LIST, "people.csv", people(10, {3}))
    text = "Phone;First Name;Note;drumbeat_line\n+447700800001;A;b;5\n+447700800002;A;b;9\n"
    page = await send(editor, f"{LIST}/corrections", "m.csv", text.encode())
    assert "1 row put back, 1 row left out." in page.text
    assert "Line 3 of the uploaded file: No rejected row of the list has drumbeat_line 9." in page.text


async def test_names_cells_and_files_are_shown_as_text(editor: Browser, settings: Settings) -> None:
    evil = "<script>alert(1)</script>"
    image = '"><img src=x onerror=alert(1)>'
    cell = image.replace('"', '""')
    await start(editor, settings)
    text = f'phone,{evil},first_name\n"{cell}",{evil},{evil}\n+447700900001,{evil},"{cell}"\n'
    page = await send(editor, LIST, f"{image}.csv", text.encode())
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<img" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    draft = await open_draft(settings, "spring")
    assert draft.list_path is not None
    assert re.fullmatch(r"[\w-]+\.csv", draft.list_path.name)
    page = await send(editor, LIST, "x.csv", f"{evil}\n{evil}\n".encode())
    assert "<script>alert" not in page.text
    page = await editor.post(
        "/campaigns/drafts/spring/file", {"text": f"name = {evil}", "digest": draft.digest}
    )
    assert page.status_code == 422
    assert "<script>alert" not in page.text


async def test_an_ambiguous_list_is_read_as_chosen(editor: Browser, settings: Settings) -> None:
    await start(editor, settings)
    text = "phone,first_name\n+447700900001,Łukasz Żółć\n+447700900002,Jürgen\n".encode("cp1250")
    page = await send(editor, LIST, "p.csv", text)
    assert "The list cannot be used yet." in page.text
    choices = re.findall(r'name="encoding" value="([^"]+)"><span class="text">([^<]+)', page.text)
    assert ("cp1250", "Łukasz Żółć") in choices
    draft = await open_draft(settings, "spring")
    answer = await editor.post(f"{LIST}/uses", {"encoding": "cp1250", "digest": draft.digest})
    assert answer.status_code == 303
    page = await editor.get(LIST)
    assert re.search(r"2</dd>", page.text)
    assert "Łukasz Żółć" in page.text


async def test_the_sheet_and_the_delimiter_are_chosen_where_they_are_not_certain(
    editor: Browser, settings: Settings
) -> None:
    table = [["phone", "first_name"], ["+447700900001", "Ada"]]
    await start(editor, settings)
    for name, content, key, choices in (
        ("p.xlsx", xlsx({"May": table, "<b>June": table}), "sheet", ["May", "&lt;b&gt;June"]),
        ("p.csv", b"a,phone;b\nx,+447700900001;y\n", "delimiter", [",", ";"]),
    ):
        page = await send(editor, LIST, name, content)
        assert re.findall(rf'<button name="{key}" value="([^"]*)">', page.text) == choices, page.text
        digest = (await open_draft(settings, "spring")).digest
        await editor.post(f"{LIST}/uses", {key: html.unescape(choices[-1]), "digest": digest})
        data = (await open_draft(settings, "spring")).data
        assert data["audience"][key] == html.unescape(choices[-1])
    assert "sheet" not in data["audience"]


async def test_columns_are_used_as_saved_and_guessed_before(editor: Browser, settings: Settings) -> None:
    await start(editor, settings, CAMPAIGN.replace('[content.defaults]\nfirst_name = "there"\n', ""))
    page = await send(editor, LIST, "p.csv", "Prénom;Nr;Handy;OptIn\nZoé;1;+447700900001;oui\n".encode())
    assert "The message needs &#39;first_name&#39;" in page.text
    assert re.search(r"Handy<br>.{0,99}phone number", page.text)
    assert "Guessed below: Prénom as first_name, OptIn as consent." in page.text
    assert re.search(r"Prénom<br>.{0,200}a guess", page.text, re.DOTALL)
    assert re.search(r'<option value="first_name" selected>', page.text)
    draft = await open_draft(settings, "spring")
    answer = await editor.client.post(
        f"{LIST}/uses",
        data={
            "column": ["Prénom", "Nr", "Handy", "OptIn"],
            "use": ["first_name", "", "phone", "consent"],
            "default_country": "FR",
            "max_reject_percent": "20",
            "digest": draft.digest,
        },
        headers=OURS,
    )
    assert answer.status_code == 303, answer.text
    saved = await open_draft(settings, "spring")
    assert saved.data["audience"] == {
        "csv": "p.csv",
        "default_country": "FR",
        "phone_column": "Handy",
        "map": {"Prénom": "first_name"},
        "consent": "OptIn",
    }
    page = await editor.get(LIST)
    assert "Continue with 1 recipient" in page.text


async def test_a_form_of_an_old_page_saves_nothing(editor: Browser, settings: Settings) -> None:
    await start(editor, settings)
    await send(editor, LIST, "people.csv", people(10, set()))
    answer = await editor.post(f"{LIST}/uses", {"default_country": "FR", "digest": "0" * 64})
    assert answer.status_code == 422
    assert "changed meanwhile by another browser" in answer.text
    text = CAMPAIGN + "# mine\n"
    answer = await editor.post("/campaigns/drafts/spring/file", {"text": text, "digest": "0" * 64})
    assert answer.status_code == 422
    assert "# mine" in answer.text


async def test_the_same_list_is_recognized(editor: Browser, settings: Settings) -> None:
    await start(editor, settings)
    await send(editor, LIST, "people.csv", people(10, {3}))
    page = await send(editor, LIST, "again.csv", people(10, {3}))
    assert "This is the list that the draft has already." in page.text
    await editor.post("/campaigns/new", {"name": "summer"})
    page = await send(editor, "/campaigns/drafts/summer/list", "again.csv", people(10, {3}))
    assert "This file was used before." in page.text
    assert 'href="/campaigns/drafts/spring/list"' in page.text


async def test_the_file_is_edited_as_text_with_errors_at_their_line(
    editor: Browser, settings: Settings
) -> None:
    await start(editor, settings)
    draft = await open_draft(settings, "spring")
    file = "/campaigns/drafts/spring/file"
    page = await editor.post(file, {"text": CAMPAIGN.replace("text =", "txt ="), "digest": draft.digest})
    assert page.status_code == 200
    assert "campaign.toml, line 9: content.txt is not known. Did you mean content.text?" in page.text
    digest = (await open_draft(settings, "spring")).digest
    page = await editor.post(file, {"text": 'name = "spring"\noops', "digest": digest})
    assert page.status_code == 422
    assert "line 2" in page.text
    answer = await editor.post(file, {"text": CAMPAIGN.replace("\n", "\r\n"), "digest": digest})
    assert answer.status_code == 303
    got = await editor.get("/campaigns/drafts/spring/campaign.toml")
    assert got.text == CAMPAIGN
    assert "attachment" in got.headers["content-disposition"]


async def test_a_viewer_looks_and_changes_nothing(engine: AsyncEngine, settings: Settings) -> None:
    async with Browser(engine, settings) as admin, Browser(engine, settings) as viewer:
        await log_in_as(admin, engine, Role.ADMIN)
        await log_in_as(viewer, engine, Role.VIEWER)
        await start(admin, settings)
        await send(admin, LIST, "people.csv", people(10, {3}))
        page = await viewer.get(LIST)
        assert page.status_code == 200
        assert 'type="file"' not in page.text
        before = (await open_draft(settings, "spring")).text
        for answer in (
            await viewer.post("/campaigns/new", {"name": "mine"}),
            await send(viewer, LIST, "x.csv", b"phone\n1\n"),
            await send(viewer, f"{LIST}/corrections", "x.csv", b"phone\n1\n"),
            await viewer.post(f"{LIST}/uses", {"default_country": "FR", "digest": ""}),
            await viewer.post("/campaigns/drafts/spring/file", {"text": "x", "digest": ""}),
            await viewer.post("/campaigns/drafts/spring/delete"),
        ):
            assert answer.status_code == 403, answer.text
        assert (await open_draft(settings, "spring")).text == before
        assert [path.name for path in drafts_folder(settings).iterdir()] == ["spring"]


async def test_a_draft_is_listed_and_deleted(editor: Browser, settings: Settings) -> None:
    await start(editor, settings)
    page = await editor.get("/campaigns/drafts")
    assert "Delete spring and its list" in page.text
    assert "editor" in page.text
    assert (await editor.post("/campaigns/drafts/spring/delete")).status_code == 303
    assert (await editor.get(LIST)).status_code == 404
    assert "No draft" in (await editor.get("/campaigns/drafts")).text


@pytest.mark.parametrize("name", ["..%2f..%2fetc", "%2e%2e", "A", "x%00"])
async def test_a_name_in_an_address_is_no_path(editor: Browser, name: str) -> None:
    for what in ("list", "file", "campaign.toml", "list/rejects.csv", "list/sample.csv"):
        assert (await editor.get(f"/campaigns/drafts/{name}/{what}")).status_code == 404


async def test_how_a_list_is_read_can_be_changed_where_it_cannot_be_read(
    editor: Browser, settings: Settings
) -> None:
    await start(editor, settings)
    await send(editor, LIST, "p.csv", b"phone\n+447700900001\n")
    digest = (await open_draft(settings, "spring")).digest
    await editor.post(f"{LIST}/uses", {"digest": digest, "encoding": "klingon"})
    page = await editor.get(LIST)
    assert "&#39;klingon&#39; is not an encoding." in page.text
    assert 'id="f-encoding" name="encoding"' in page.text
    digest = (await open_draft(settings, "spring")).digest
    refused = await editor.post(f"{LIST}/uses", {"digest": digest, "max_reject_percent": "nan"})
    assert refused.status_code == 422
    assert 'id="p-max_reject_percent"' in refused.text
    await editor.post(f"{LIST}/uses", {"digest": digest, "encoding": ""})
    assert "Continue with 1 recipient" in (await editor.get(LIST)).text
