"""Bird's adapter against its emulator, over real sockets, webhooks included."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from campaigns.errors import AccountError
from campaigns.message.content import (
    Button,
    Content,
    Location,
    Media,
    Menu,
    MessageType,
    Parameter,
    Row,
    Section,
    Template,
)
from campaigns.outcomes import Accepted, FailureKind, Refused, Result
from campaigns.states import JobState
from providers.adapter import Absent, Call, Doubt, Found
from providers.bird.adapter import Bird, BirdAccount
from providers.events import Inbound, Report, WebhookRequest
from providers.http.client import Http
from tests.support.emulator import Emulator, running_emulator
from tests.support.states import settle

WORKSPACE = "0a5c7a3e-1111-4c7e-9d4b-5d2f1c000001"
CHANNEL = "0a5c7a3e-2222-4c7e-9d4b-5d2f1c000002"
HELLO = Content(MessageType.TEXT, "Hello")
FORM = Content(
    MessageType.TEMPLATE, template=Template("spring", "pt_BR", (Parameter("Ada", "name"),), project_id="p")
)
ONE, TWO = "+33639980100", "+33639980101"
MENU = Menu("Choose", (Section((Row("a", "One", "First"),), "Top"), Section((Row("b", "Two"),), "More")))


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with running_emulator(read_percent=100, read_after=0.6) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Emulator:
    running.clear_faults()
    running.reset()
    return running


class Account:
    """An adapter and its way to the emulator."""

    def __init__(self, emulator: Emulator, timeout: float = 10.0) -> None:
        self.settings = BirdAccount.model_validate(
            {
                "adapter": "bird",
                "base_url": emulator.bird,
                "api_key": "env:EMULATOR_KEY",
                "webhook_secret": "env:EMULATOR_HOOK",
                "workspace_id": WORKSPACE,
                "cap_frequency": True,
                "senders": [{"name": "shop", "channel_id": CHANNEL}],
            }
        )
        self.adapter = Bird(self.settings)
        self.http = Http(self.settings.base_url, self.adapter.credentials, timeout=timeout)
        [self.sender] = self.settings.senders

    async def send(self, to: str = ONE, content: Content = HELLO, reference: str = "run.7") -> Result:
        assert self.adapter.unsendable(content) is None
        call = Call(self.sender, (to,), content, references=(reference,))
        [result] = self.adapter.read(await self.http.exchange(self.adapter.build(call)), call)
        return result

    async def sent(self, to: str = ONE, content: Content = HELLO) -> str:
        result = await self.send(to, content)
        assert isinstance(result, Accepted), result
        return result.message_id

    async def look_up(self, to: str = ONE) -> Any:
        doubt = Doubt(to, HELLO, datetime.now(UTC), reference="run.7")
        return await self.adapter.look_up(self.http, self.sender, doubt)

    async def window(self, to: str = ONE) -> datetime | None:
        return await self.adapter.window(self.http, self.sender, to)

    async def polled_until(self, message_id: str, *states: JobState) -> Report:
        deadline = datetime.now(UTC) + timedelta(seconds=20)
        while datetime.now(UTC) < deadline:
            pages = self.adapter.poll(self.http, self.sender, [message_id], deadline, deadline)
            for report in [each async for page in pages for each in page]:
                if report.state in states:
                    return report
        raise AssertionError(f"{message_id} never became {states}")


@pytest.fixture
async def account(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Account]:
    monkeypatch.setenv("EMULATOR_KEY", emulator.api_key)
    monkeypatch.setenv("EMULATOR_HOOK", "hook-secret")
    account = Account(emulator)
    yield account
    await account.http.aclose()


def writes(emulator: Emulator, *people: str) -> None:
    emulator.control("POST", "/bird/_control/inbound", {"from": list(people), "text": "Hi"})


@pytest.mark.parametrize(
    "content",
    [
        HELLO,
        Content(MessageType.TEXT, "See https://shop.example", preview_url=True, reply_to="m-1"),
        Content(
            MessageType.TEXT,
            "Choose",
            buttons=(
                Button("reply", "Yes"),
                Button("postback", "More", payload="more"),
                Button("link", "Shop", url="https://shop.example"),
            ),
        ),
        Content(
            MessageType.IMAGE,
            "Two",
            (Media("https://a.example/1.png", "One"), Media("https://a.example/2.png")),
        ),
        Content(MessageType.STICKER, None, (Media("https://a.example/1.webp"),)),
        Content(MessageType.VIDEO, "See", (Media("https://a.example/a.mp4"),)),
        Content(MessageType.AUDIO, None, (Media("https://a.example/a.ogg"),)),
        Content(MessageType.DOCUMENT, "Read", (Media("https://a.example/a", filename="prix.pdf"),)),
        Content(
            MessageType.FILES, None, (Media("https://a.example/a.pdf"), Media("https://a.example/b.jpg"))
        ),
        Content(MessageType.LOCATION, location=Location(6.37, 2.39, "Shop", "Cotonou")),
        Content(MessageType.LIST, "Choose", menu=MENU),
        FORM,
    ],
    ids=lambda content: str(content.type),
)
async def test_each_type_is_taken_as_it_was_meant(emulator: Emulator, account: Account, content: Content):
    writes(emulator, ONE)
    message_id = await account.sent(content=content)
    [entry] = emulator.ledger()
    assert (entry["id"], entry["to"], entry["content"]) == (message_id, ONE[1:], content.text)
    assert entry["media_url"] == content.media_url
    report = await account.polled_until(message_id, JobState.DELIVERED, JobState.READ)
    assert (report.message_id, report.reference) == (message_id, "run.7")


async def test_the_window_decides_what_becomes_of_free_form(emulator: Emulator, account: Account):
    assert await account.window() is None
    report = await account.polled_until(await account.sent(), JobState.FAILED)
    assert (report.status, report.code) == ("sending_failed", "131047")
    await account.polled_until(await account.sent(content=FORM), JobState.DELIVERED)
    assert await account.window() is None
    writes(emulator, ONE)
    window = await account.window()
    assert window is not None
    assert timedelta(hours=23) < window - datetime.now(UTC) <= timedelta(hours=24)
    await account.polled_until(await account.sent(), JobState.DELIVERED)


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        ("reset_before", False),
        ("close_before", False),
        ("503", False),
        ("reset_after", True),
        ("500_after", True),
        ("half_answer", True),
        ("garbage", True),
    ],
)
async def test_a_doubt_is_settled_by_the_list(emulator: Emulator, account: Account, fault: str, taken: bool):
    writes(emulator, ONE)
    emulator.fault(fault, times=1, method="POST")
    result = await account.send()
    assert isinstance(result, Refused)
    assert result.kind is FailureKind.UNKNOWN
    lookup = await account.look_up()
    ids = [entry["id"] for entry in emulator.ledger()]
    if taken:
        assert isinstance(lookup, Found)
        assert ids == [lookup.report.message_id]
    else:
        assert (lookup, ids) == (Absent(), [])


async def test_a_message_is_found_behind_many_others(emulator: Emulator, account: Account):
    writes(emulator, ONE)
    first = await account.sent()
    for number in range(60):
        await account.send(reference=f"run.{number + 100}")
    lookup = await account.look_up()
    assert isinstance(lookup, Found)
    assert lookup.report.message_id == first


async def test_refusals_mean_what_they_say(emulator: Emulator, account: Account):
    emulator.fault("429", times=1, method="POST", retry_after=3)
    throttled = await account.send()
    assert isinstance(throttled, Refused)
    assert (throttled.kind, throttled.retry_after) == (FailureKind.THROTTLED, 3.0)
    refused = await account.send("+447700900908")
    assert isinstance(refused, Refused)
    assert (refused.kind, refused.code) == (FailureKind.MESSAGE, "InvalidPayload")
    assert "receiver.contacts.0.identifierValue" in refused.text
    lost = account.sender.model_copy(update={"channel_id": WORKSPACE})
    assert "has no channel with this id" in (await account.adapter.sender_problem(account.http, lost) or "")
    assert emulator.ledger() == []


async def test_the_key_is_checked(account: Account, monkeypatch: pytest.MonkeyPatch):
    assert "1 of 1 channels" in await account.adapter.check(account.http)
    monkeypatch.setenv("EMULATOR_KEY", "another-key")
    http = Http(account.settings.base_url, account.adapter.credentials)
    with pytest.raises(AccountError):
        await account.adapter.check(http)
    await http.aclose()


class Hook:
    """An address that webhooks can be sent to; `take` waits for the next."""

    def __init__(self) -> None:
        came: queue.Queue[WebhookRequest] = queue.Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                url = f"http://{self.headers['Host']}{self.path}"
                came.put(WebhookRequest(url, headers, body, datetime.now(UTC)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.came = came
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhooks/bird"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    async def take(self) -> WebhookRequest:
        return await asyncio.to_thread(self.came.get, timeout=20)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


@pytest.mark.parametrize("way", [{}, {"duplicate": 1.0, "reorder": 0.5}], ids=["reliable", "unreliable"])
async def test_webhooks_are_signed_and_tell_everything(
    emulator: Emulator, account: Account, hook: Hook, way: dict[str, float]
):
    emulator.control("POST", "/bird/_control/webhook", {"url": hook.url, "secret": "hook-secret", **way})
    writes(emulator, ONE)
    request = await hook.take()
    for _ in range(len(way) // 2):
        assert (await hook.take()).body == request.body
    assert account.adapter.verify(request)
    [inbound] = account.adapter.parse_webhook(request)
    assert isinstance(inbound, Inbound)
    assert (inbound.phone, inbound.number, inbound.text) == (ONE, CHANNEL, "Hi")
    message_id = await account.sent()
    states: list[JobState] = []
    while set(states) != {JobState.ACCEPTED, JobState.SENT, JobState.DELIVERED, JobState.READ}:
        request = await hook.take()
        assert account.adapter.verify(request)
        [report] = account.adapter.parse_webhook(request)
        assert isinstance(report, Report)
        assert report.message_id == message_id
        assert report.state is not None
        states.append(report.state)
    assert settle(JobState.SENDING, states) is JobState.READ
    another = account.settings.model_copy(update={"webhook_secret": account.settings.api_key})
    assert not Bird(another).verify(request)
