"""A list is uploaded whole, and only its corrected rows are uploaded again: every row keeps its line."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from app.actions.drafts import lists as draft_lists
from app.actions.drafts.drafts import create_draft, drafts_folder, open_draft
from app.actions.drafts.lists import (
    BESIDE,
    receive_corrections,
    receive_list,
    rejected_lines,
    safe_name,
    save_uses,
    upload_of,
)
from app.actions.loading import Flags, load_campaign
from app.views.drafts.drafts import steps_of
from app.views.drafts.list_checks import REJECTS, ListCheck, check_list, known_check
from app.wiring.settings import Settings, load_settings
from campaigns.errors import InvalidInput
from storage.database.engine import Engine, reading
from storage.tables.audience import recipients, rejects
from tests.support.campaigns import phone
from tests.support.project import CAMPAIGN, SETTINGS
from tests.support.workbooks import xlsx


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("OURVOICE_API_KEY", "x")
    (tmp_path / "drumbeat.toml").write_text(SETTINGS.format(port=9))
    return load_settings(tmp_path / "drumbeat.toml")


async def chunks(content: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def checked(settings: Settings, name: str = "spring") -> ListCheck:
    await check_list(settings, name)
    found = known_check(await open_draft(settings, name))
    assert found is not None
    return found


def people(rows: int, bad: set[int]) -> bytes:
    """A list whose rows at these places (from 0) have a number that is too short."""
    lines = ["Phone;First Name;Note"]
    for at in range(rows):
        phone = "+4477" if at in bad else f"+4477009{at:05d}"
        lines.append(f'{phone};Name {at};"a ""note"""' if at % 7 == 0 else f"{phone};Name {at};é")
    return ("\r\n".join(lines) + "\r\n").encode()


async def corrected_rejects(settings: Settings, keep: slice, name: str = "spring") -> bytes:
    """The rejected rows that a person has corrected: only these, with a good number."""
    path = drafts_folder(settings) / name / BESIDE / REJECTS
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""), delimiter=";"))
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";")
    writer.writerow(rows[0])
    for row in rows[1:][keep]:
        line = int(row[rows[0].index("drumbeat_line")])
        writer.writerow([f"+4477008{line:05d}", *row[1:]])
    return text.getvalue().encode("utf-8-sig")


async def test_half_of_forty_bad_rows_are_corrected_and_keep_their_lines(
    settings: Settings, engine: Engine
) -> None:
    bad = set(range(3, 1000, 25))
    await create_draft(settings, "spring", CAMPAIGN)
    await receive_list(settings, "spring", "people.csv", chunks(people(1000, bad)))
    first = await checked(settings)
    assert (first.rows, first.accepted, first.rejected, len(first.bad)) == (1000, 960, 40, 40)
    assert first.reasons == {"phone_too_short": 40}
    assert [tuple(cell) for cell in first.bad[0].cells] == [
        ("Phone", "+4477"),
        ("First Name", "Name 3"),
        ("Note", "é"),
    ]

    done = await receive_corrections(
        settings, "spring", "mended.csv", chunks(await corrected_rejects(settings, slice(0, 20)))
    )
    assert (done.rows, list(done.unused)) == (20, [])
    second = await checked(settings)
    assert (second.rows, second.accepted, second.rejected) == (1000, 980, 20)

    draft = await open_draft(settings, "spring")
    loaded = await load_campaign(engine, settings, draft.path, Flags(rejects=settings.path.parent / "r.csv"))
    assert (loaded.report.rows, loaded.report.accepted) == (1000, 980)
    async with reading(engine) as connection:
        phones = dict((await connection.execute(select(recipients.c.line, recipients.c.phone))).all())
        lost = set((await connection.execute(select(rejects.c.line))).scalars())
    lines = sorted(at + 2 for at in bad)
    assert lost == set(lines[20:])
    assert {line: phones[line] for line in lines[:20]} == {line: f"+4477008{line:05d}" for line in lines[:20]}
    assert all(phones[at + 2] == f"+4477009{at:05d}" for at in range(1000) if at not in bad)
    assert len(phones) == 980


async def test_a_second_round_corrects_the_rest(settings: Settings) -> None:
    await create_draft(settings, "spring", CAMPAIGN)
    await receive_list(settings, "spring", "people.csv", chunks(people(100, {3, 50, 99})))
    await checked(settings)
    first = await corrected_rejects(settings, slice(0, 1))
    rest = await corrected_rejects(settings, slice(1, None))
    assert (await receive_corrections(settings, "spring", "a.csv", chunks(first))).rows == 1
    assert (await receive_corrections(settings, "spring", "b.csv", chunks(rest))).rows == 2
    assert (await receive_corrections(settings, "spring", "b.csv", chunks(rest))).rows == 0
    found = await checked(settings)
    assert (found.accepted, found.rejected) == (100, 0)
    upload = upload_of((await open_draft(settings, "spring")).folder)
    assert upload is not None
    assert upload.corrected == 3


async def test_corrections_of_another_list_change_nothing(settings: Settings) -> None:
    await create_draft(settings, "spring", CAMPAIGN)
    await receive_list(settings, "spring", "people.csv", chunks(people(100, {3})))
    await checked(settings)
    text = (
        "Phone;First Name;Note;drumbeat_line;drumbeat_column;drumbeat_code;drumbeat_reason\n"
        "+447700900001;Eve;;7;Phone;phone_too_short;\n+447700900002;Eve;;;Phone;x;\n+447700900003;Eve;;x1;;;\n"
    )
    done = await receive_corrections(settings, "spring", "other.csv", chunks(text.encode()))
    assert done.rows == 0
    assert [line for line, _ in done.unused] == [2, 3, 4]
    assert "No rejected row of the list has drumbeat_line 7" in done.unused[0][1]
    assert (await open_draft(settings, "spring")).list_path.read_bytes() == people(100, {3})


@pytest.mark.parametrize(
    ("header", "missing"),
    [("Phone;First Name;Note", "drumbeat_line"), ("Phone;Note;drumbeat_line", "first_name")],
)
async def test_corrections_have_the_columns_of_the_list(
    settings: Settings, header: str, missing: str
) -> None:
    await create_draft(settings, "spring", CAMPAIGN)
    await receive_list(settings, "spring", "people.csv", chunks(people(10, {3})))
    await checked(settings)
    with pytest.raises(InvalidInput, match=missing):
        await receive_corrections(settings, "spring", "x.csv", chunks(f"{header}\n+44;b;c\n".encode()))


async def test_rows_of_several_lines_and_an_open_quote_keep_the_lines_below(settings: Settings) -> None:
    text = (
        "phone,first_name,note\n"
        '+447700900001,Ada,"two\nlines"\n'
        'nobody,Bob,"three\n\nlines"\n'
        '+447700900003,Cy,"open\n'
        "+447700900004,Dee,\n"
        "none,Eve,x\n"
        "+447700900005,Fay,\n"
    )
    await create_draft(settings, "spring", CAMPAIGN)
    await receive_list(settings, "spring", "people.csv", chunks(text.encode()))
    found = await checked(settings)
    assert [(row.line, row.code) for row in found.bad] == [
        (4, "phone_not_a_number"), (7, "unclosed_quote"), (9, "phone_not_a_number"),
    ]  # fmt: skip
    mended = (
        "drumbeat_line,note,phone,first_name\n"
        "4,short,+447700900011,Bob\n"
        "7,closed,+447700900003,Cy\n"
        '9,"more\nlines",+447700900012,Eve\n'
    )
    done = await receive_corrections(settings, "spring", "m.csv", chunks(mended.encode()))
    assert done.rows == 2
    assert [line for line, _ in done.unused] == [9]
    draft = await open_draft(settings, "spring")
    lines = draft.list_path.read_text().split("\n")
    assert lines[3:10] == ['"+447700900011","Bob","short"', "", "", '"+447700900003","Cy","closed"',
                           "+447700900004,Dee,", "none,Eve,x", "+447700900005,Fay,"]  # fmt: skip
    assert [row.line for row in (await checked(settings)).bad] == [9]


async def test_a_corrected_workbook_keeps_its_rows(settings: Settings) -> None:
    rows = [
        ["phone", "first_name"],
        ["+447700900001", "Ada\nL."],
        ["nobody", "=1+1"],
        [],
        ["+447700900002", "Cy"],
    ]
    await create_draft(settings, "spring", CAMPAIGN)
    await receive_list(settings, "spring", "people.xlsx", chunks(xlsx({"S": rows})))
    found = await checked(settings)
    assert [row.line for row in found.bad] == [3]
    mended = "phone,first_name,drumbeat_line,drumbeat_column\n+447700900009,'=1+1,3,\n"
    assert (await receive_corrections(settings, "spring", "m.csv", chunks(mended.encode()))).rows == 1
    found = await checked(settings)
    assert (found.accepted, found.rejected, found.problem) == (3, 0, None)


async def test_the_same_file_is_taken_once_and_another_takes_its_place(settings: Settings) -> None:
    await create_draft(settings, "spring", CAMPAIGN)
    first = await receive_list(settings, "spring", "Clients (mars).CSV", chunks(people(10, {3})))
    assert first.draft.data["audience"]["csv"] == "Clients-mars.csv"
    await checked(settings)
    assert (await receive_list(settings, "spring", "again.csv", chunks(people(10, {3})))).same
    await receive_corrections(
        settings, "spring", "m.csv", chunks(await corrected_rejects(settings, slice(1)))
    )
    assert (await receive_list(settings, "spring", "again.csv", chunks(people(10, {3})))).same
    other = await receive_list(settings, "spring", "other.csv", chunks(people(20, set())))
    assert not other.same
    assert sorted(path.name for path in other.draft.folder.iterdir()) == [
        ".by",
        ".list",
        "campaign.toml",
        "other.csv",
    ]
    assert "encoding" not in other.draft.data["audience"]
    upload = upload_of(other.draft.folder)
    assert upload is not None
    assert (upload.name, upload.corrected, rejected_lines(other.draft.folder)) == (
        "other.csv",
        0,
        frozenset(),
    )
    files = [path for path in other.draft.folder.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


async def test_an_upload_that_breaks_off_leaves_the_list_as_it_was(settings: Settings) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"phone\n" * 500_000
        raise ConnectionResetError

    await create_draft(settings, "spring", CAMPAIGN)
    await receive_list(settings, "spring", "people.csv", chunks(people(10, {3})))
    draft = await open_draft(settings, "spring")
    with pytest.raises(ConnectionResetError):
        await receive_list(settings, "spring", "people.csv", broken())
    assert (await open_draft(settings, "spring")) == draft
    assert draft.list_path is not None
    assert draft.list_path.read_bytes() == people(10, {3})
    assert [path.name for path in (draft.folder / ".list").iterdir()] == ["upload.json"]


async def test_corrected_rows_do_not_take_the_place_of_the_whole_list(settings: Settings) -> None:
    await create_draft(settings, "spring", CAMPAIGN)
    await receive_list(settings, "spring", "people.csv", chunks(people(10, {3})))
    await checked(settings)
    rejects = await corrected_rejects(settings, slice(None))
    workbook = xlsx({"S": [["Who", "drumbeat_line"], ["+447700900001", "5"]]})
    for content in (rejects, workbook):
        with pytest.raises(InvalidInput, match="holds rejected rows"):
            await receive_list(settings, "spring", "mended.csv", chunks(content))
    assert (await checked(settings)).rows == 10


async def test_a_file_of_the_wrong_shape_is_a_sentence_and_keeps_the_list(settings: Settings) -> None:
    draft = await create_draft(settings, "spring", 'name = "spring"\naudience = "everybody"\ncontent = 3\n')
    with pytest.raises(InvalidInput, match="cannot change"):
        await receive_list(settings, "spring", "people.csv", chunks(people(10, {3})))
    assert not list(draft.folder.glob("*.csv"))
    found = await open_draft(settings, "spring")
    assert (found.text, found.spec) == (draft.text, None)
    assert [step.done for step in steps_of(found)] == [False, False, False, False]


async def test_two_uploads_of_one_name_are_two(settings: Settings) -> None:
    await create_draft(settings, "spring", CAMPAIGN)
    contents = [people(rows, set()) for rows in range(5, 10)]
    done = await asyncio.gather(
        *(receive_list(settings, "spring", "people.csv", chunks(content, 7)) for content in contents)
    )
    assert not any(one.same for one in done)
    draft = await open_draft(settings, "spring")
    upload = upload_of(draft.folder)
    assert draft.list_path is not None
    assert upload is not None
    assert hashlib.sha256(draft.list_path.read_bytes()).hexdigest() == upload.digest


async def test_what_a_killed_process_left_is_swept(settings: Settings) -> None:
    draft = await create_draft(settings, "spring", CAMPAIGN)
    old = (await create_draft(settings, "check-abcdefgh")).folder
    os.utime(old, (0, 0))
    left = [draft.folder.parent / ".gone-abcdefgh", draft.folder / ".list" / ".in-abcdefgh"]
    fresh = draft.folder / ".list" / ".in-12345678"
    for path in (*left, fresh):
        path.mkdir(parents=True)
        (path / "people.csv").write_text("phone\n")
    for path in left:
        os.utime(path, (0, 0))
    await create_draft(settings, "summer")
    await receive_list(settings, "spring", "people.csv", chunks(people(10, {3})))
    assert [path.exists() for path in (*left, fresh, old)] == [False, False, True, True]


async def test_a_list_has_a_limit_and_is_not_empty(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draft_lists, "LARGEST", 2 << 20)
    await create_draft(settings, "spring", CAMPAIGN)
    with pytest.raises(InvalidInput, match="larger than 2 MB"):
        await receive_list(settings, "spring", "people.csv", chunks(b"x" * (3 << 20), 100_000))
    with pytest.raises(InvalidInput, match="empty"):
        await receive_list(settings, "spring", "people.csv", chunks(b""))
    assert (await open_draft(settings, "spring")).list_path is None


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("people.csv", "people.csv"),
        ("../../etc/passwd", "passwd.csv"),
        (r"C:\lists\Käufer.XLSX", "Käufer.xlsx"),
        ("campaign.toml", "campaign.csv"),
        (".hidden", "hidden.csv"),
        ("a\0b\n<script>.html", "a-b-script.csv"),
        ("", "list.csv"),
        ("...", "list.csv"),
        ("é" * 300 + ".csv", "é" * 40 + ".csv"),
    ],
)
def test_a_file_name_is_never_a_path(given: str, safe: str) -> None:
    assert safe_name(given) == safe


async def test_uses_are_keys_of_the_campaign_file(settings: Settings) -> None:
    draft = await create_draft(settings, "spring", CAMPAIGN)
    uses = {
        "Mobile": "phone_too",
        "WhatsApp": "phone",
        "Nom": "first_name",
        "tz": "timezone",
        "city": "city",
        "x": "",
    }
    draft = await save_uses(settings, "spring", uses, {"default_country": "FR"}, draft.digest)
    assert draft.data["audience"] == {
        "csv": "spring.csv",
        "default_country": "FR",
        "max_reject_percent": 50,
        "phone_column": ["WhatsApp", "Mobile"],
        "map": {"Nom": "first_name", "tz": "timezone"},
    }
    with pytest.raises(InvalidInput, match="cannot both"):
        await save_uses(settings, "spring", {"a": "consent", "b": "consent"}, {}, draft.digest)
    draft = await save_uses(settings, "spring", {"Mobile": "phone", "ok": "consent"}, {}, draft.digest)
    assert draft.data["audience"]["phone_column"] == "Mobile"
    assert draft.data["audience"]["consent"] == "ok"
    assert "map" not in draft.data["audience"]


async def test_rows_that_come_back_as_they_were_are_not_corrected(settings: Settings) -> None:
    rows = f"phone,name\n{phone(1)},Ada\nsee notes,=Bo\nnobody,\n"
    await create_draft(settings, "spring")
    await receive_list(settings, "spring", "a.csv", chunks(rows.encode()))
    await check_list(settings, "spring")
    path = drafts_folder(settings) / "spring" / BESIDE / REJECTS
    same = path.read_bytes()
    assert (await receive_corrections(settings, "spring", "a.csv", chunks(same))).rows == 0
    one = same.replace(b"nobody", phone(2).encode())
    assert (await receive_corrections(settings, "spring", "a.csv", chunks(one))).rows == 1
    assert (await receive_corrections(settings, "spring", "a.csv", chunks(one))).rows == 0
    upload = upload_of((await open_draft(settings, "spring")).folder)
    assert upload is not None
    assert upload.corrected == 1
