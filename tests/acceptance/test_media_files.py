"""Media files beside the campaign file: uploaded to the provider once for each sender, renewed when their id has
expired, and refused at check where they cannot be sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import delete, select, update

from app.actions.loading import Flags, check_campaign, load_campaign
from app.wiring.settings import Settings
from campaigns.errors import SpecError
from campaigns.message.content import Media, TemplateHeader
from campaigns.message.content_spec import ContentSpec
from campaigns.message.templates import Renderer
from campaigns.states import AWAITING_RECEIPT, JobState
from emulators.app import create_app
from emulators.settings import Settings as EmulatorSettings
from scheduler.actions.purge import carry_out, plan_by_kind
from scheduler.actions.testing import start_test
from scheduler.clock.one_run import send_run
from scheduler.sending.media import _with_ids, digests_in
from storage.database.engine import Engine, reading, writing
from storage.runs.side_runs import RunMessage
from storage.tables.audience import campaigns
from storage.tables.lanes import lanes
from storage.tables.media import media_files, media_uploads
from tests.support.accounts import account_at

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
HEAD = 'name = "spring"\nprovider = "shop"\nsenders = ["one"]\n[audience]\ncsv = "people.csv"\n'
IMAGE = HEAD + '[content]\ntext = "Hi {{ first_name }}"\nimages = [{ file = "photo.png" }]\n'
HEADER = HEAD + (
    '[content.template]\nname = "with_picture"\nlanguage = "en"\nheader = { image = { file = "photo.png" } }\n'
)
SHA = "a" * 64


@dataclass
class Desk:
    """A campaign with a picture, and an account at an emulator in this process."""

    engine: Engine
    settings: Settings
    provider: str
    path: Path
    emulator: httpx.AsyncBaseTransport
    uploads: int = 0
    down: bool = False
    sent: int = 0

    async def handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/media"):
            self.uploads += 1
            if self.down:
                return httpx.Response(503)
        return await self.emulator.handle_async_request(request)

    async def control(self, act: str, /, **body: object) -> None:
        async with httpx.AsyncClient(transport=self.emulator, base_url="http://emulator") as client:
            answer = await client.post(f"/{self.provider}/_control/{act}", json=body)
        assert answer.status_code == 200, answer.text

    async def load(self) -> None:
        await load_campaign(self.engine, self.settings, self.path, Flags())

    async def send(self) -> RunMessage:
        return await self.send_run(await self.start())

    async def start(self) -> int:
        self.sent += 1
        run = await start_test(self.engine, "spring", [f"+4477009005{self.sent:02}"])
        return run.run_id

    async def send_run(self, run_id: int) -> RunMessage:
        [message] = await send_run(
            self.engine,
            self.settings.accounts,
            run_id,
            transport=httpx.MockTransport(self.handle),
            longest=timedelta(seconds=5),
            receipts=timedelta(),
        )
        async with writing(self.engine) as connection:
            await connection.execute(update(lanes).values(paused_until=None, paused_reason=None))
        return message


def settings_at(provider: str, folder: Path, database_url: str) -> Settings:
    account = account_at(provider, folder / "key")
    return Settings(database_url, {"shop": account}, path=folder / "drumbeat.toml")


@pytest.fixture(params=["meta", "kapso"])
async def desk(request: pytest.FixtureRequest, tmp_path: Path, engine: Engine, database_url: str) -> Desk:
    provider = request.param
    (tmp_path / "photo.png").write_bytes(PNG)
    (tmp_path / "people.csv").write_text("phone,first_name\n+447700900010,Ada\n")
    path = tmp_path / "spring.toml"
    path.write_text(HEADER)
    emulator = httpx.ASGITransport(create_app(EmulatorSettings()))
    made = Desk(engine, settings_at(provider, tmp_path, database_url), provider, path, emulator)
    await made.control("templates", name="with_picture", language="en", text="Look", header="IMAGE")
    return made


def has_left(message: RunMessage) -> bool:
    return message.state in AWAITING_RECEIPT | {JobState.DELIVERED, JobState.READ}


async def test_a_file_is_uploaded_once_and_again_when_its_id_has_expired(desk: Desk) -> None:
    await desk.load()
    assert has_left(await desk.send())
    assert has_left(await desk.send())
    assert desk.uploads == 1
    async with reading(desk.engine) as connection:
        [(lane, expires_at)] = await connection.execute(
            select(media_uploads.c.lane, media_uploads.c.expires_at)
        )
    assert lane == "shop/one"
    assert expires_at - datetime.now(UTC) < timedelta(days=29)  # a day less than the provider keeps it

    async with writing(desk.engine) as connection:
        await connection.execute(update(media_uploads).values(expires_at=datetime.now(UTC)))
    assert has_left(await desk.send())
    assert desk.uploads == 2

    await desk.control(
        "media", expired=True
    )  # at the provider alone: it refuses the id, and the next call has another
    refused = await desk.send()
    assert refused.state is JobState.PENDING
    assert "media attachment ID" in str(refused.detail)
    assert has_left(await desk.send())
    assert desk.uploads == 3


@pytest.mark.parametrize("desk", ["meta"], indirect=True)
async def test_an_upload_that_fails_sends_nothing_and_is_tried_again(desk: Desk) -> None:
    await desk.load()
    (desk.path.parent / "photo.png").unlink()  # what was loaded is what is sent
    desk.down = True
    assert (await desk.send()).state is JobState.PENDING
    desk.down = False
    assert has_left(await desk.send())
    run_id = await desk.start()
    async with writing(desk.engine) as connection:
        await connection.execute(delete(media_files))
        await connection.execute(delete(media_uploads))
    message = await desk.send_run(run_id)
    assert message.run_paused
    assert "not stored any more" in str(message.detail)


@pytest.mark.parametrize("desk", ["meta"], indirect=True)
async def test_a_purge_keeps_the_files_of_campaigns_that_are_not_over(desk: Desk) -> None:
    await desk.load()
    old = {"messages": timedelta(days=30)}
    later = datetime.now(UTC) + timedelta(days=40)
    assert (await plan_by_kind(desk.engine, later, old)).rows["media"] == 0
    async with writing(desk.engine) as connection:
        await connection.execute(update(campaigns).values(state="cancelled"))
    plan = await plan_by_kind(desk.engine, later, old)
    assert (await carry_out(desk.engine, plan, later))["media"] == 1


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "photo.png is not beside the campaign file."),
        (b"<!DOCTYPE html><script>alert(1)</script>", "photo.png must be a JPEG or PNG image, and"),
        (b"%PDF-1.7\n", "photo.png must be a JPEG or PNG image, but its content is application/pdf."),
        (PNG + bytes(5 << 20), "photo.png is larger than 5 MB, the most for an image."),
        (b"", "photo.png is empty."),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "photo.png must be a JPEG or PNG image, and its content is none."),
    ],
)
async def test_a_file_that_cannot_be_sent_is_refused_at_its_line(
    tmp_path: Path, content: bytes | None, what: str
) -> None:
    if content is not None:
        (tmp_path / "photo.png").write_bytes(content)
    path = tmp_path / "spring.toml"
    path.write_text(IMAGE)
    with pytest.raises(SpecError) as found:
        await check_campaign(settings_at("kapso", tmp_path, "sqlite://"), path, Flags())
    assert f"spring.toml, line 8: content.images[0].file: {what}" in str(found.value)
    assert found.value.faults[0].key == ("content", "images", 0, "file")


async def test_the_list_of_recipients_is_not_sent_to_them(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_text("phone\n+447700900001\n")
    path = tmp_path / "spring.toml"
    path.write_text(
        HEAD.replace("people.csv", "photo.png") + '[content]\ndocument = { file = "photo.png" }\n'
    )
    with pytest.raises(SpecError, match=r"content\.document\.file: photo\.png is the list of recipients\."):
        await check_campaign(settings_at("kapso", tmp_path, "sqlite://"), path, Flags())


@pytest.mark.parametrize("provider", ["bird", "messaging_api", "ourvoice", "voicebip"])
async def test_providers_that_take_only_addresses_say_which_take_files(tmp_path: Path, provider: str) -> None:
    (tmp_path / "photo.png").write_bytes(PNG)
    path = tmp_path / "spring.toml"
    path.write_text(HEADER if provider == "messaging_api" else IMAGE)
    with pytest.raises(SpecError, match=rf"{provider} cannot send content\..*\.file") as found:
        await check_campaign(settings_at(provider, tmp_path, "sqlite://"), path, Flags())
    assert "Providers that can: kapso, meta." in found.value.hint


def test_ids_take_the_place_of_files_wherever_a_message_names_them() -> None:
    file = {"file": "a.png", "digest": SHA}
    cards = [{"header": {"image": file}}, {"header": {"image": {"id": "7"}}}]
    template = {"name": "x", "header": {"document": {**file, "filename": "Price list.pdf"}}, "cards": cards}
    spec = ContentSpec.model_validate({"text": "Hi", "images": [{**file, "alt": "A"}], "template": template})
    renderer = Renderer(spec)
    free, closed = renderer.render({}), renderer.render({}, template=True)
    assert digests_in(free) == [SHA]
    assert digests_in(closed) == [SHA, SHA]
    assert _with_ids(free, {SHA: "5"}).media == (Media(id="5", alt="A"),)
    sent = _with_ids(closed, {SHA: "5"}).template
    assert sent is not None
    assert sent.header == TemplateHeader(document=Media(id="5", filename="Price list.pdf"))
    assert [card.header.image for card in sent.cards] == [Media(id="5"), Media(id="7")]
