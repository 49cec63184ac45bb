"""What a hostile key tries at files, lists and folders; and what a full disk makes of a call."""

from __future__ import annotations

import asyncio
import errno
import gzip
import io
import zipfile
from typing import Any

import pytest

from app.actions.api_keys import Scope
from campaigns import atomic_files
from tests.web.api.test_lists import CSV, TOML, kind
from tests.web.api.world import FILE, LIST, World
from web.api.operations import REPEAT, XLSX

ELSEWHERE = (
    "../../etc/passwd",
    "/etc/passwd",
    ".list/upload.json",
    ".by",
    "a/../../b",
    "x\\\\..\\\\y",
    "a\\u0000b",
)


def folder_of(world: World) -> str:
    assert world.settings.path is not None
    return str(world.settings.path.parent)


def bomb() -> bytes:
    """A workbook of 40 kB that unpacks to 40 MB."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as book:
        for name in ("[Content_Types].xml", "xl/workbook.xml", "xl/sharedStrings.xml"):
            book.writestr(name, b"<t>" + b"A" * (13 << 20))
    return held.getvalue()


async def test_a_file_elsewhere_is_never_read_and_no_answer_names_the_servers_folders(world: World) -> None:
    async with world.caller(Scope.SEND) as caller:
        answers = []
        for number, place in enumerate(ELSEWHERE):
            media = FILE.replace("fresh", f"m{number}").replace('text = "Hi {{ first_name }}"', "")
            media += f'document = {{ file = "{place}" }}\n'
            listed = FILE.replace("fresh", f"c{number}").replace("[audience]", f'[audience]\ncsv = "{place}"')
            made = await caller.put(f"/campaigns/m{number}/file", content=media, headers=TOML)
            assert not made.json()["complete"]
            answers += [
                made,
                await caller.put(f"/campaigns/m{number}/list", content=LIST, headers=CSV),
                await caller.put(f"/campaigns/c{number}/file", content=listed, headers=TOML),
                await caller.post(f"/campaigns/c{number}/check", json={}),
            ]
            assert [answer.status_code for answer in answers[-4:]] == [200, 422, 200, 422]
        for body, given in ((gzip.compress(LIST.encode()), CSV), (bomb(), {"content-type": XLSX})):
            answers.append(await caller.put("/campaigns/fresh/list", content=body, headers=given))
            answers.append(await caller.post("/contacts/import", content=body, headers=given))
            assert [kind(answer) for answer in answers[-2:]] == [(422, "list")] * 2
        assert [answer.text for answer in answers if folder_of(world) in answer.text] == []


async def test_rejected_rows_are_those_of_their_campaign(world: World) -> None:
    async with world.caller(Scope.SEND) as caller:
        made = (await caller.put("/campaigns/fresh/list", content=LIST, headers=CSV)).json()
        address = made["rejects_file"].removeprefix("/api/v1")
        assert (await caller.get(address)).status_code == 200
        assert kind(await caller.get(address.replace("fresh", "listed"))) == (404, "not-found")
        for name in (
            "%2e%2e",
            "upload.json",
            "rejected-000000000000.csv%00",
            address.rpartition("/")[2].upper(),
        ):
            assert (await caller.get(f"/campaigns/fresh/rejects/{name}")).status_code == 404


async def test_of_many_who_create_one_campaign_file_one_does(world: World) -> None:
    async with world.caller(Scope.MANAGE) as caller:
        file = FILE.replace("fresh", "race")
        calls = (caller.put("/campaigns/race/file", content=file, headers=TOML) for _ in range(6))
        answers = await asyncio.gather(*calls)
    created = [
        answer for answer in answers if answer.status_code == 200 and answer.json()["done"] == "created"
    ]
    assert len(created) == 1
    others = [answer for answer in answers if answer not in created]
    assert all(answer.status_code in (200, 412) for answer in others), [answer.text for answer in others]


@pytest.mark.parametrize("address", ["/campaigns/fresh/file", "/campaigns/fresh/list", "/contacts/import"])
async def test_a_full_disk_is_no_fault_of_the_call_and_is_no_answer_for_good(
    world: World, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, media = (FILE + "# new\n", TOML) if address.endswith("file") else (LIST, CSV)
    headers = {**media, REPEAT: "once"} if address.endswith("import") else media
    method = "POST" if address.endswith("import") else "PUT"

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with world.caller(Scope.SEND) as caller:
        with monkeypatch.context() as patched:
            patched.setattr(atomic_files.os, "fsync", full)
            answer = await caller.request(method, address, content=content, headers=headers)
            assert kind(answer) == (507, "no-room")
            assert "/" not in answer.json()["detail"]
        again = await caller.request(method, address, content=content, headers=headers)
        assert again.status_code == 200, again.text


async def test_a_preview_is_no_list_of_people_for_who_may_have_none(world: World) -> None:
    async with world.caller(Scope.READ) as reader, world.caller(Scope.MANAGE) as manager:
        for asked in ("first", "random", "longest", "missing"):
            few = await reader.get("/campaigns/running/preview", params={asked: 3})
            assert few.status_code == 200
            assert len(few.json()["messages"]) <= 3
            many = {"params": {asked: 4}}
            assert kind(await reader.get("/campaigns/running/preview", **many)) == (403, "scope")
            assert (await manager.get("/campaigns/running/preview", **many)).status_code == 200
        one = await reader.get("/campaigns/running/preview", params={"line": 5})
        assert len(one.json()["messages"]) == 1
