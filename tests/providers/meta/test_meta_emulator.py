"""The Cloud API adapter against its emulator, over real sockets, webhooks included."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from campaigns.errors import AccountError
from campaigns.message.content import (
    Button,
    Contact,
    ContactPhone,
    Content,
    Location,
    Media,
    Menu,
    MessageType,
    Parameter,
    Reaction,
    Row,
    Section,
    Template,
    TemplateButton,
    TemplateHeader,
)
from campaigns.outcomes import Accepted, FailureKind, Refused, Result
from campaigns.states import JobState
from providers.adapter import Call
from providers.events import Event, Inbound, Notice, Preference, Report, WebhookRequest
from providers.http.client import Http
from providers.meta.adapter import Meta, MetaAccount
from tests.support.emulator import Emulator, running_emulator
from tests.support.states import settle

T = MessageType
NUMBER = "106540352242922"
ADA, BOB = "+447700900123", "+447700900124"
PICTURE = "https://example.com/a.png"
HELLO = Content(T.TEXT, "Hello")
SALE = Content(T.TEMPLATE, template=Template("spring_sale", "en", (Parameter("Ada"),)))
PHOTO = Content(
    T.TEMPLATE,
    template=Template(
        "spring_photo",
        "en_US",
        (Parameter("Ada"), Parameter("SPRING")),
        TemplateHeader(image=Media(PICTURE)),
        (TemplateButton(0, "url", "promo"), TemplateButton(1, "quick_reply", "STOP")),
    ),
)
NAMED = Content(T.TEMPLATE, template=Template("order_shipped", "en", (Parameter("7", "order_id"),)))
MAP = Content(
    T.TEMPLATE,
    template=Template(
        "store_map", "en", (Parameter("Ada"),), TemplateHeader(location=Location(52.3, 4.9, "Shop", "A 1"))
    ),
)
PATIENCE = 20.0


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with running_emulator(
        sent_after=0.01, delivered_after=0.02, read_after=0.03, read_percent=100
    ) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Emulator:
    running.clear_faults()
    running.reset()
    return running


class Account:
    """An adapter and its way to the emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self.settings = MetaAccount.model_validate(
            {
                "adapter": "meta",
                "base_url": emulator.meta,
                "api_key": "env:EMULATOR_KEY",
                "app_secret": "env:APP_SECRET",
                "verify_token": "env:VERIFY_TOKEN",
                "senders": [{"name": "shop", "phone_number_id": NUMBER}],
            }
        )
        self.emulator = emulator
        self.adapter = Meta(self.settings)
        self.http = Http(self.settings.base_url, self.adapter.credentials, timeout=10.0)
        [self.sender] = self.settings.senders

    def control(self, name: str, body: dict[str, Any]) -> Any:
        return self.emulator.control("POST", f"/meta/_control/{name}", body)

    async def send(self, to: str = ADA, content: Content = HELLO, reference: str = "run-7.1") -> Result:
        assert self.adapter.unsendable(content) is None
        call = Call(self.sender, (to,), content, references=(reference,))
        [result] = self.adapter.read(await self.http.exchange(self.adapter.build(call)), call)
        return result

    async def taken(self, to: str = ADA, content: Content = SALE, reference: str = "run-7.1") -> Accepted:
        result = await self.send(to, content, reference)
        assert isinstance(result, Accepted), result
        return result

    async def refused(self, to: str = ADA, content: Content = SALE) -> Refused:
        result = await self.send(to, content)
        assert isinstance(result, Refused), result
        return result


@pytest.fixture
async def account(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Account]:
    monkeypatch.setenv("EMULATOR_KEY", emulator.api_key)
    monkeypatch.setenv("APP_SECRET", "app-Jt3-secret")
    monkeypatch.setenv("VERIFY_TOKEN", "token-Jt3")
    account = Account(emulator)
    yield account
    await account.http.aclose()


@dataclass
class Ear:
    """Our side of the webhook: every event that arrived, verified and read by the adapter."""

    adapter: Meta
    url: str = ""
    bodies: int = 0
    heard: list[Event] = field(default_factory=list)
    grown: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        webhook = WebhookRequest(str(request.url), headers, await request.read(), datetime.now(UTC))
        if not self.adapter.verify(webhook):
            return web.Response(status=401)
        async with self.grown:
            self.bodies += 1
            self.heard += self.adapter.parse_webhook(webhook)
            self.grown.notify_all()
        return web.Response()

    async def prove(self, request: web.Request) -> web.Response:
        answer = self.adapter.handshake(request.query)
        return web.Response(status=403) if answer is None else web.Response(text=answer)

    async def until(self, enough: Callable[[list[Event]], bool]) -> list[Event]:
        """The events, once they are enough."""
        async with asyncio.timeout(PATIENCE), self.grown:
            await self.grown.wait_for(lambda: enough(self.heard))
        return self.heard

    async def hears(self, count: int) -> list[Event]:
        return await self.until(lambda heard: len(heard) >= count)


@pytest.fixture
async def ear(account: Account) -> AsyncIterator[Ear]:
    ear, app = Ear(account.adapter), web.Application()
    app.router.add_post("/webhooks/meta", ear.take)
    app.router.add_get("/webhooks/meta", ear.prove)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    ear.url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/meta"
    await listen(account, ear)
    yield ear
    await runner.cleanup()


async def listen(account: Account, ear: Ear, **options: Any) -> None:
    """Set the webhook up; Meta proves the address first, so the call must not block our side of it."""
    body = {"url": ear.url, "secret": "app-Jt3-secret", "verify_token": "token-Jt3", **options}
    await asyncio.to_thread(account.control, "webhook", body)


@pytest.mark.parametrize(
    "content",
    [
        HELLO,
        Content(T.TEXT, "See https://example.com", preview_url=True, reply_to="wamid.1"),
        Content(T.IMAGE, "Look", (Media(PICTURE),)),
        Content(T.VIDEO, None, (Media(PICTURE),)),
        Content(T.AUDIO, None, (Media(PICTURE),)),
        Content(T.DOCUMENT, "Read", (Media(PICTURE, filename="a.pdf"),)),
        Content(T.STICKER, None, (Media(PICTURE),)),
        Content(T.LOCATION, location=Location(52.3435942, 4.9091077, "Office", "Street 2")),
        Content(T.CONTACTS, contacts=(Contact("Ada Lovelace", "Ada", None, (ContactPhone(BOB),)),)),
        Content(T.REACTION, reaction=Reaction("wamid.1", "😀")),
        Content(
            T.TEXT, "Ok?", buttons=(Button("reply", "Yes", id="y"), Button("postback", "No", payload="n"))
        ),
        Content(T.IMAGE, "Ok?", (Media(PICTURE),), (Button("reply", "Yes"),)),
        Content(T.TEXT, "Shop", buttons=(Button("link", "Open", url="https://example.com"),)),
        Content(T.LIST, "Size?", menu=Menu("Open", (Section((Row("s", "Small", "S"),), "Sizes"),), "Order")),
        SALE,
        PHOTO,
        NAMED,
        MAP,
    ],
    ids=lambda content: f"{content.type}{'+buttons' if content.buttons else ''}",
)
async def test_each_type_is_taken_in_an_open_window(account: Account, content: Content):
    account.control("inbound", {"from": ADA})
    result = await account.taken(content=content)
    [entry] = account.emulator.ledger()
    assert (entry["id"], entry["to"]) == (result.message_id, ADA[1:])


async def test_refusals_mean_what_they_say(account: Account):
    unknown = Content(T.TEMPLATE, template=Template("unheard_of", "en"))
    short = Content(T.TEMPLATE, template=Template("spring_sale", "en"))
    for to, content, kind, code in (
        (ADA, HELLO, FailureKind.USE_TEMPLATE, "131047"),
        (ADA, unknown, FailureKind.CAMPAIGN, "132001"),
        (ADA, short, FailureKind.CAMPAIGN, "132000"),
        ("+447700900908", SALE, FailureKind.RECIPIENT, "131026"),
    ):
        result = await account.refused(to, content)
        assert (result.kind, result.code) == (kind, code)
        assert result.text.startswith(f"(#{code}) ")
    account.control("preference", {"from": ADA, "value": "stop"})
    assert (await account.refused()).kind is FailureKind.OPTED_OUT
    account.control("number", {"status": "BANNED"})
    assert (await account.refused()).kind is FailureKind.LANE
    assert account.emulator.ledger() == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (80007, FailureKind.THROTTLED),
        (131056, FailureKind.PAIR),
        (131049, FailureKind.LATER),
        (131031, FailureKind.CAMPAIGN),
        (131000, FailureKind.UNKNOWN),
        (131016, FailureKind.THROTTLED),
    ],
)
async def test_a_code_means_the_same_with_its_own_status(account: Account, code: int, kind: FailureKind):
    account.control("refuse", {"code": code, "times": 1})
    result = await account.refused()
    assert (result.kind, result.code) == (kind, str(code))
    assert await account.taken()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("429", FailureKind.THROTTLED),
        ("500", FailureKind.UNKNOWN),
        ("500_after", FailureKind.UNKNOWN),
        ("503", FailureKind.THROTTLED),
        ("reset_before", FailureKind.UNKNOWN),
        ("reset_after", FailureKind.UNKNOWN),
        ("half_answer", FailureKind.UNKNOWN),
        ("garbage", FailureKind.UNKNOWN),
    ],
)
async def test_faults(account: Account, fault: str, kind: FailureKind):
    account.emulator.fault(fault, times=1, method="POST")
    assert (await account.refused()).kind is kind


async def test_a_message_in_doubt_is_settled_by_the_reference_that_comes_back(account: Account, ear: Ear):
    account.emulator.fault("reset_after", times=1, method="POST")
    result = await account.send(content=SALE, reference="run-7.42")
    assert isinstance(result, Refused)
    assert result.kind is FailureKind.UNKNOWN
    [entry] = account.emulator.ledger()
    reports = [event for event in await ear.hears(3) if isinstance(event, Report)]
    assert {(report.message_id, report.reference) for report in reports} == {(entry["id"], "run-7.42")}


async def test_statuses_are_heard(account: Account, ear: Ear):
    read = await account.taken(reference="one")
    failed = await account.taken("+447700900901", reference="two")
    instant = await account.taken("+447700900905", reference="three")
    reports = [event for event in await ear.hears(6) if isinstance(event, Report)]
    by_id = {taken.message_id: [] for taken in (read, failed, instant)}
    for report in reports:
        by_id[report.message_id].append(report)
    assert settle(JobState.ACCEPTED, states_of(by_id[read.message_id])) is JobState.READ
    assert [report.state for report in by_id[failed.message_id]] == [JobState.FAILED]
    assert by_id[failed.message_id][0].code == "131026"
    # Meta leaves `delivered` out where the person reads at once.
    assert set(states_of(by_id[instant.message_id])) == {JobState.SENT, JobState.READ}
    assert {report.reference for report in reports} == {"one", "two", "three"}


async def test_repeated_reordered_and_joined_updates_come_to_the_same(account: Account, ear: Ear):
    await listen(account, ear, duplicate=0.5, reorder=0.5, delay=0.2, batch=1000)
    sent = [await account.taken(f"+4477009003{number:02}") for number in range(20)]
    wanted = {taken.message_id for taken in sent}

    def all_read(heard: list[Event]) -> bool:
        reports = [event for event in heard if isinstance(event, Report)]
        return {report.message_id for report in reports if report.state is JobState.READ} == wanted

    heard = await ear.until(all_read)
    assert ear.bodies < len(heard)


async def test_a_held_template_is_released_or_dropped(account: Account, ear: Ear):
    account.control("templates", {"name": "spring_sale", "language": "en", "held": True})
    first = await account.taken()
    assert first.state is JobState.HELD
    account.control("templates", {"name": "spring_sale", "language": "en", "held": False})
    reports = await ear.hears(3)
    assert settle(JobState.HELD, states_of(reports)) is JobState.READ
    account.control("templates", {"name": "spring_sale", "language": "en", "held": True})
    second = await account.taken(BOB)
    account.control("templates", {"name": "spring_sale", "language": "en", "status": "PAUSED"})
    events = (await ear.hears(5))[3:]
    [dropped] = [event for event in events if isinstance(event, Report)]
    assert (dropped.message_id, dropped.state, dropped.code) == (
        second.message_id,
        JobState.FAILED,
        "132015",
    )
    [paused] = [event for event in events if isinstance(event, Notice)]
    assert (paused.kind, paused.subject) == ("message_template_status_update", "spring_sale")
    assert "event: PAUSED" in paused.text


async def test_a_refusal_may_come_by_webhook(account: Account, ear: Ear):
    account.control("late", {"late": True})
    free = await account.taken(content=HELLO)
    [report] = await ear.hears(1)
    assert isinstance(report, Report)
    assert (report.message_id, report.state, report.code) == (free.message_id, JobState.FAILED, "131047")


async def test_persons_are_heard(account: Account, ear: Ear):
    account.control("inbound", {"from": ADA, "text": "Hi"})
    await ear.hears(1)
    account.control("inbound", {"from": BOB, "user_id": "GB.1234"})  # without a number there is no event
    account.control("preference", {"from": BOB, "value": "stop"})
    await ear.hears(2)
    account.control("number", {"limit": "TIER_2K"})
    wrote, stopped, limit = await ear.hears(3)
    assert isinstance(wrote, Inbound)
    assert (wrote.phone, wrote.number, wrote.text) == (ADA, NUMBER, "Hi")
    assert isinstance(stopped, Preference)
    assert (stopped.phone, stopped.action, stopped.scope) == (BOB, "out", "marketing")
    assert isinstance(limit, Notice)
    assert (limit.kind, limit.subject) == ("business_capability_update", "TIER_2K")


async def test_an_address_that_does_not_know_the_token_is_not_set_up(account: Account, ear: Ear):
    body = {"url": ear.url, "secret": "app-Jt3-secret", "verify_token": "guess"}
    status, _ = await asyncio.to_thread(account.emulator.call, "POST", "/meta/_control/webhook", body)
    assert status == 422


async def test_the_number_and_the_key_are_checked(account: Account, monkeypatch: pytest.MonkeyPatch):
    assert await account.adapter.check(account.http) == "shop is +447700900970."
    assert await account.adapter.sender_problem(account.http, account.sender) is None
    account.control("number", {"status": "BANNED"})
    assert (
        await account.adapter.sender_problem(account.http, account.sender)
        == f"The number {NUMBER} is banned."
    )
    monkeypatch.setenv("EMULATOR_KEY", "another-key")
    http = Http(account.settings.base_url, account.adapter.credentials)
    with pytest.raises(AccountError):
        await account.adapter.check(http)
    await http.aclose()


def states_of(events: list[Any]) -> list[JobState]:
    return [event.state for event in events if isinstance(event, Report) and event.state is not None]
