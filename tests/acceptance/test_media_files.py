"""Media files beside the campaign file: uploaded to the provider once for each sender, renewed when their id has expired,
and refused at check where they cannot be sent."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, update

from scheduler.sending import lanes
from storage.database.engine import open_engine, reading, writing
from storage.tables import attempts, media_files, media_uploads
from tests.acceptance.test_templates import Desk

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
HEAD = 'name = "spring"\nprovider = "shop"\nsenders = ["one"]\n[audience]\ncsv = "people.csv"\n'
IMAGE = HEAD + '[content]\ntext = "Hi {{ first_name }}"\nimages = [{ file = "photo.png" }]\n'
HEADER = HEAD + (
    '[content.template]\nname = "with_picture"\nlanguage = "en"\nheader = { image = { file = "photo.png" } }\n'
)
ME = "+447700900500"


class MediaDesk(Desk):
    """The same, with the number of uploads."""

    uploads = 0
    down = False

    async def handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/media"):
            self.uploads += 1
            if self.down:
                return httpx.Response(503)
        return await super().handle(request)

    def send(self, campaign: str) -> tuple[int, str]:
        done = self("campaign", "test", "spring", "--to", ME, "--json", campaign=campaign)
        [message] = done.json["messages"]
        print(message)
        return done.code, str(message["state"])


@pytest.fixture(params=[("kapso", IMAGE), ("meta", HEADER), ("kapso", HEADER)])
def case(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[MediaDesk, str]:
    provider, campaign = request.param
    desk = MediaDesk(tmp_path, provider)
    transport = httpx.MockTransport(desk.handle)
    opened = lanes.open_account
    monkeypatch.setattr(lanes, "open_account", lambda *account, **_: opened(*account, transport=transport))
    (tmp_path / "photo.png").write_bytes(PNG)
    desk.put(name="with_picture", language="en", text="Look", header="IMAGE")
    if provider == "kapso":
        desk.control("inbound", {"from": ME})
    return desk, campaign


async def change(folder: Path, **values: object) -> None:
    engine = open_engine(f"sqlite:///{folder / 'drumbeat.db'}")
    try:
        async with writing(engine) as connection:
            await connection.execute(update(media_uploads).values(**values))
    finally:
        await engine.dispose()


def test_a_file_is_uploaded_once_and_again_when_its_id_has_expired(case: tuple[MediaDesk, str]) -> None:
    desk, campaign = case
    assert desk("campaign", "load", "spring.toml", campaign=campaign).code == 0
    assert desk.send(campaign)[1] in ("accepted", "sent", "delivered", "read")
    assert desk.send(campaign)[0] == 0
    assert desk.uploads == 1
    soon = datetime.now(UTC) + timedelta(days=28)
    assert asyncio.run(stored(desk.folder))[0][1] > soon  # a day less than the provider keeps it

    asyncio.run(change(desk.folder, expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert desk.send(campaign)[0] == 0
    assert desk.uploads == 2

    desk.control(
        "media", {"expired": True}
    )  # at the provider alone: it refuses the id, and the next call has another
    assert desk.send(campaign) == (6, "pending")
    assert desk.send(campaign)[0] == 0
    assert desk.uploads == 3


async def stored(folder: Path) -> list[tuple[str, datetime]]:
    engine = open_engine(f"sqlite:///{folder / 'drumbeat.db'}")
    try:
        async with reading(engine) as connection:
            assert (await connection.execute(select(media_files.c.content))).scalar_one() == PNG
            texts = list(await connection.scalars(select(attempts.c.content)))
            assert texts
            rows = await connection.execute(select(media_uploads.c.lane, media_uploads.c.expires_at))
            return [(row.lane, row.expires_at) for row in rows]
    finally:
        await engine.dispose()


def test_an_upload_that_fails_sends_nothing_and_is_tried_again(case: tuple[MediaDesk, str]) -> None:
    desk, campaign = case
    assert desk("campaign", "load", "spring.toml", campaign=campaign).code == 0
    (desk.folder / "photo.png").unlink()  # what was loaded is what is sent
    desk.down = True
    assert desk.send(campaign) == (6, "pending")
    desk.down = False
    asyncio.run(resume(desk.folder))
    assert desk.send(campaign)[0] == 0


async def resume(folder: Path) -> None:
    from storage.tables import lanes as lanes_table

    engine = open_engine(f"sqlite:///{folder / 'drumbeat.db'}")
    try:
        async with writing(engine) as connection:
            await connection.execute(update(lanes_table).values(paused_until=None, paused_reason=None))
    finally:
        await engine.dispose()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "photo.png is not beside the campaign file"),
        (b"<!DOCTYPE html><script>alert(1)</script>", "photo.png must be a JPEG or PNG image"),
        (b"%PDF-1.7\n", "photo.png must be a JPEG or PNG image, but its content is application/pdf"),
        (PNG + bytes(5 << 20), "photo.png is larger than 5 MB, the most for an image"),
        (b"", "photo.png is empty"),
    ],
)
def test_a_file_that_cannot_be_sent_is_refused_at_its_line(
    tmp_path: Path, content: bytes | None, what: str
) -> None:
    desk = MediaDesk(tmp_path, "kapso")
    if content is not None:
        (tmp_path / "photo.png").write_bytes(content)
    for command in ("check", "load"):
        done = desk("campaign", command, "spring.toml", campaign=IMAGE)
        assert done.code == 5, done
        assert f"spring.toml, line 8: content.images[0].file: {what}" in done.err


def test_providers_that_take_only_addresses_say_which_take_files(tmp_path: Path) -> None:
    desk = MediaDesk(tmp_path, "kapso")
    (tmp_path / "photo.png").write_bytes(PNG)
    account = '[providers.shop]\nadapter = "ourvoice"\napi_key = "env:KEY"\n[[providers.shop.senders]]\n'
    account += 'name = "one"\nsession_id = "s"\n'
    (tmp_path / "drumbeat.toml").write_text('[database]\nurl = "sqlite:///drumbeat.db"\n' + account)
    done = desk("campaign", "check", "spring.toml", campaign=IMAGE)
    assert done.code == 5
    assert "ourvoice cannot send content.images[0].file" in done.err
    assert "Providers that can: kapso, meta." in done.err
