"""The Cloud API adapter against its emulator, over real sockets, webhooks included."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

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
from campaigns.outcomes import Accepted, FailureKind, Refused
from campaigns.states import JobState
from providers.events import Event, Inbound, Notice, Preference, Report
from providers.meta.adapter import Meta
from tests.providers.cases.meta_messages import NEW
from tests.providers.harness import (
    HELLO,
    HOOK_SECRET,
    PERSON,
    SIGNING,
    EmulatedAccount,
    Receiver,
    receiving,
    subscribe,
)
from tests.support.emulator import Emulator
from tests.support.states import settle

T = MessageType
NUMBER = "106540352242922"
ADA, BOB = PERSON, "+447700900124"
PICTURE = "https://example.com/a.png"
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
TOKEN = "token-Jt3"


class Account(EmulatedAccount[Meta]):
    def __init__(self, emulator: Emulator) -> None:
        keys = {
            "base_url": emulator.meta,
            "app_secret": f"env:{HOOK_SECRET}",
            "verify_token": "env:VERIFY_TOKEN",
            "senders": [{"name": "shop", "phone_number_id": NUMBER}],
        }
        super().__init__(emulator, Meta, keys)

    async def taken(self, to: str = ADA, content: Content = SALE, reference: str | None = None) -> Accepted:
        result = await self.send(to, content, reference)
        assert isinstance(result, Accepted), result
        return result

    async def refused(self, to: str = ADA, content: Content = SALE) -> Refused:
        result = await self.send(to, content)
        assert isinstance(result, Refused), result
        return result


@pytest.fixture
async def account(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Account]:
    monkeypatch.setenv("VERIFY_TOKEN", TOKEN)
    async with Account(emulator) as account:
        yield account


@pytest.fixture
async def receiver(account: Account) -> AsyncIterator[Receiver]:
    async with receiving(account, verify_token=TOKEN) as receiver:
        yield receiver


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


TEMPLATES: dict[str, dict[str, Any]] = {
    "verification_code": {"category": "AUTHENTICATION", "parameters": 1, "buttons": ["url"]},
    "coupon": {"parameters": 2, "buttons": ["quick_reply", "copy_code"]},
    "intro": {"parameters": 1, "buttons": ["catalog"]},
    "book": {"parameters": 1, "buttons": ["flow"]},
    "offer": {"parameters": 1, "buttons": ["copy_code", "url"], "offer": True},
    "cards": {"parameters": 1, "cards": 2},
    "spm_template_named_params": {"parameters": ["code", "percent"], "header": "PRODUCT", "buttons": ["spm"]},
    "abandoned_cart": {"parameters": 1, "header": "TEXT", "buttons": ["mpm"]},
}


@pytest.mark.parametrize("content", [content for _, content, _ in NEW], ids=[why for why, _, _ in NEW])
async def test_messages_with_an_action_and_templates_with_more_than_texts_are_taken(
    account: Account, content: Content
):
    account.control("inbound", {"from": ADA})
    if content.template is not None:
        known = TEMPLATES[content.template.name]
        account.control("templates", {"name": content.template.name, "language": "en_US", **known})
    await account.taken(content=content)


async def test_a_template_of_another_shape_is_refused(account: Account):
    for name, changes in (("cards", {"cards": 3}), ("offer", {"offer": False}), ("coupon", {"buttons": []})):
        account.control("templates", {"name": name, "language": "en_US", **TEMPLATES[name], **changes})
        content = next(each for _, each, _ in NEW if each.template and each.template.name == name)
        assert (await account.refused(content=content)).code in ("132000", "132012")


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


async def test_a_message_in_doubt_is_settled_by_the_reference_that_comes_back(
    account: Account, receiver: Receiver
):
    account.emulator.fault("reset_after", times=1, method="POST")
    result = await account.send(content=SALE, reference="run-7.42")
    assert isinstance(result, Refused)
    assert result.kind is FailureKind.UNKNOWN
    [entry] = account.emulator.ledger()
    reports = [event for event in await receiver.receive(3) if isinstance(event, Report)]
    assert {(report.message_id, report.reference) for report in reports} == {(entry["id"], "run-7.42")}


async def test_statuses_arrive(account: Account, receiver: Receiver):
    read = await account.taken(reference="one")
    failed = await account.taken("+447700900901", reference="two")
    instant = await account.taken("+447700900905", reference="three")
    reports = [event for event in await receiver.receive(11) if isinstance(event, Report)]
    by_id = {taken.message_id: [] for taken in (read, failed, instant)}
    for report in reports:
        by_id[report.message_id].append(report)
    assert settle(JobState.ACCEPTED, states_of(by_id[read.message_id])) is JobState.READ
    assert [report.state for report in by_id[failed.message_id]] == [JobState.FAILED]
    assert by_id[failed.message_id][0].code == "131026"
    # Meta leaves `delivered` out where the person reads at once.
    assert set(states_of(by_id[instant.message_id])) == {JobState.SENT, JobState.READ}
    assert {report.reference for report in reports} == {"one", "two", "three"}


async def test_repeated_reordered_and_joined_updates_come_to_the_same(account: Account, receiver: Receiver):
    await subscribe(account, receiver, verify_token=TOKEN, duplicate=0.5, reorder=0.5, delay=0.2, batch=1000)
    sent = [await account.taken(f"+4477009003{number:02}") for number in range(20)]
    wanted = {taken.message_id for taken in sent}

    def all_read(heard: list[Event]) -> bool:
        reports = [event for event in heard if isinstance(event, Report)]
        return {report.message_id for report in reports if report.state is JobState.READ} == wanted

    heard = await receiver.until(all_read)
    assert len(receiver.requests) < len(heard)


async def test_a_held_template_is_released_or_dropped(account: Account, receiver: Receiver):
    account.control("templates", {"name": "spring_sale", "language": "en", "held": True})
    first = await account.taken()
    assert first.state is JobState.HELD
    account.control("templates", {"name": "spring_sale", "language": "en", "held": False})
    reports = await receiver.receive(6)
    assert settle(JobState.HELD, states_of(reports)) is JobState.READ
    account.control("templates", {"name": "spring_sale", "language": "en", "held": True})
    second = await account.taken(BOB)
    account.control("templates", {"name": "spring_sale", "language": "en", "status": "PAUSED"})
    events = (await receiver.receive(8))[6:]
    [dropped] = [event for event in events if isinstance(event, Report)]
    assert (dropped.message_id, dropped.state, dropped.code) == (
        second.message_id,
        JobState.FAILED,
        "132015",
    )
    [paused] = [event for event in events if isinstance(event, Notice)]
    assert (paused.kind, paused.subject) == ("message_template_status_update", "spring_sale")
    assert "event: PAUSED" in paused.text


async def test_a_refusal_may_come_by_webhook(account: Account, receiver: Receiver):
    account.control("late", {"late": True})
    free = await account.taken(content=HELLO)
    [report] = await receiver.receive(1)
    assert isinstance(report, Report)
    assert (report.message_id, report.state, report.code) == (free.message_id, JobState.FAILED, "131047")


async def test_inbound_messages_arrive(account: Account, receiver: Receiver):
    account.control("inbound", {"from": ADA, "text": "Hi"})
    await receiver.receive(1)
    account.control("inbound", {"from": BOB, "user_id": "GB.1234"})
    account.control("preference", {"from": BOB, "value": "stop"})
    await receiver.receive(3)
    account.control("number", {"limit": "TIER_2K"})
    wrote, nameless, stopped, limit = await receiver.receive(4)
    assert isinstance(nameless, Inbound)
    assert (nameless.phone, nameless.user_id) == (None, "GB.1234")
    assert isinstance(wrote, Inbound)
    assert (wrote.phone, wrote.number, wrote.text) == (ADA, NUMBER, "Hi")
    assert isinstance(stopped, Preference)
    assert (stopped.phone, stopped.action, stopped.scope) == (BOB, "out", "marketing")
    assert isinstance(limit, Notice)
    assert (limit.kind, limit.subject) == ("business_capability_update", "TIER_2K")


async def test_an_address_that_does_not_know_the_token_is_not_set_up(account: Account, receiver: Receiver):
    body = {"url": receiver.url, "secret": SIGNING, "verify_token": "guess"}
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
    await account.refuses_another_key(monkeypatch)


def states_of(events: list[Any]) -> list[JobState]:
    return [event.state for event in events if isinstance(event, Report) and event.state is not None]
