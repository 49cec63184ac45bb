"""Deliveries against a listener on a real socket, on a clock that only the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from aiohttp import web

from emulators import webhooks
from emulators.base import Refusal
from emulators.webhooks import Deliveries, proves
from tests.emulators.conftest import FakeClock

PATIENCE = 20.0


class Listener:
    """Keeps what came; `refusals` of the next posts are answered with 503."""

    def __init__(self) -> None:
        self.url, self.refusals = "", 0
        self.came: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def post(self, request: web.Request) -> web.Response:
        self.came.put_nowait((dict(request.headers), await request.read()))
        self.refusals -= 1
        return web.Response(status=503 if self.refusals >= 0 else 200)

    async def get(self, request: web.Request) -> web.Response:
        if request.query.get("hub.verify_token") != "token":
            return web.Response(status=403)
        return web.Response(text=request.query["hub.challenge"])

    async def bodies(self, count: int) -> list[bytes]:
        """The next bodies, sorted: posts overtake each other."""
        async with asyncio.timeout(PATIENCE):
            return sorted([(await self.came.get())[1] for _ in range(count)])


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    listener, app = Listener(), web.Application()
    app.router.add_post("/hook", listener.post)
    app.router.add_get("/hook", listener.get)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    listener.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield listener
    await runner.cleanup()


@pytest.fixture
async def make(clock: FakeClock) -> AsyncIterator[Callable[..., Deliveries]]:
    made: list[Deliveries] = []

    def make(join: Callable[[Sequence[bytes]], bytes] | None = None) -> Deliveries:
        made.append(Deliveries(clock, lambda body, secret: {"X-Mark": f"{secret}:{body.decode()}"}, join))
        return made[-1]

    yield make
    for each in made:
        await each.stop()


async def until(what: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not what():  # noqa: ASYNC110 - it tells nobody when it changes
            await asyncio.sleep(0.001)


async def test_a_body_comes_signed_to_the_byte(make: Any, listener: Listener):
    deliveries = make()
    deliveries.target(listener.url, "hush")
    deliveries.later(0.0, b"one")
    async with asyncio.timeout(PATIENCE):
        headers, body = await listener.came.get()
    assert (body, headers["X-Mark"], headers["Content-Type"]) == (b"one", "hush:one", "application/json")
    await until(lambda: deliveries.delivered == 1)
    assert (deliveries.pending, deliveries.lost) == (0, 0)


async def test_nothing_comes_before_its_time(make: Any, listener: Listener, clock: FakeClock):
    deliveries = make()
    deliveries.target(listener.url, "hush", delay=100)
    deliveries.later(3600.0, b"late")
    deliveries.later(0.0, b"soon")
    clock.move(100)
    deliveries.later(5000.0, b"never")
    assert await listener.bodies(1) == [b"soon"]
    assert deliveries.pending >= 2
    clock.move(3600)
    deliveries.later(5000.0, b"never")
    assert await listener.bodies(1) == [b"late"]


async def test_what_is_not_taken_comes_again_the_same(
    make: Any, listener: Listener, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(webhooks, "LONGEST_RETRY", 0.0)
    deliveries, listener.refusals = make(), 2
    deliveries.target(listener.url, "hush")
    deliveries.later(0.0, b"one")
    async with asyncio.timeout(PATIENCE):
        seen = [await listener.came.get() for _ in range(3)]
    assert [(headers["X-Mark"], body) for headers, body in seen] == [("hush:one", b"one")] * 3
    await until(lambda: deliveries.delivered)
    assert (deliveries.delivered, deliveries.pending) == (1, 0)


async def test_the_second_try_waits(make: Any, listener: Listener, clock: FakeClock):
    deliveries, listener.refusals = make(), 1
    deliveries.target(listener.url, "hush")
    deliveries.later(0.0, b"one")
    await listener.bodies(1)
    deliveries.later(0.0, b"two")  # two is taken, and one still waits for its time
    assert await listener.bodies(1) == [b"two"]
    await until(lambda: deliveries.delivered == 1)
    assert (deliveries.pending, listener.came.empty()) == (1, True)


async def test_a_body_nobody_takes_is_given_up(
    make: Any, listener: Listener, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(webhooks, "MOST_TRIES", 1)
    deliveries, listener.refusals = make(), 1
    deliveries.target(listener.url, "hush")
    deliveries.later(0.0, b"one")
    await until(lambda: deliveries.lost == 1)
    assert (deliveries.pending, deliveries.delivered) == (0, 0)


async def test_an_address_where_nobody_is_does_not_stop_the_others(make: Any, listener: Listener):
    deliveries = make()
    deliveries.target("http://127.0.0.1:1/hook", "hush")
    deliveries.later(0.0, b"old")
    deliveries.target(listener.url, "hush")
    deliveries.later(0.0, b"new")
    assert await listener.bodies(1) == [b"new"]


async def test_every_body_twice(make: Any, listener: Listener):
    deliveries = make()
    deliveries.target(listener.url, "hush", duplicate=1)
    for body in (b"one", b"two"):
        deliveries.later(0.0, body)
    assert await listener.bodies(4) == [b"one", b"one", b"two", b"two"]


async def test_some_are_overtaken(make: Any, listener: Listener, clock: FakeClock):
    deliveries = make()
    deliveries.target(listener.url, "hush", reorder=1)
    wanted = [f"{number:02}".encode() for number in range(30)]
    for body in wanted:
        deliveries.later(0.0, body)
    clock.move(webhooks.OVERTAKEN_BY)
    async with asyncio.timeout(PATIENCE):
        came = [(await listener.came.get())[1] for _ in wanted]
    assert came != wanted
    assert sorted(came) == wanted


async def test_what_is_due_together_comes_together(make: Any, listener: Listener):
    deliveries = make(b"+".join)
    deliveries.target(listener.url, "hush", batch=3)
    for number in range(7):
        deliveries.later(0.0, str(number).encode())
    assert await listener.bodies(3) == [b"0+1+2", b"3+4+5", b"6"]


async def test_the_queue_has_an_end(make: Any, listener: Listener, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(webhooks, "MOST_WAITING", 2)
    deliveries = make()
    deliveries.target(listener.url, "hush")
    for _ in range(5):
        deliveries.later(60.0, b"one")
    assert (deliveries.pending, deliveries.lost) == (2, 3)
    deliveries.clear()
    assert (deliveries.pending, deliveries.lost) == (0, 0)


async def test_without_a_listener_nothing_is_kept(make: Any):
    deliveries = make()
    deliveries.later(0.0, b"one")
    assert deliveries.pending == 0


@pytest.mark.parametrize(
    "options",
    [{"delay": -1}, {"duplicate": 2}, {"reorder": -0.1}, {"batch": 0}, {"url": "ftp://example.com"}],
)
async def test_options_that_make_no_sense_are_refused(make: Any, options: dict[str, Any]):
    with pytest.raises(Refusal) as caught:
        make().target(**{"url": "http://127.0.0.1:1/", "secret": "hush", **options})
    assert caught.value.status == 422


async def test_an_address_proves_itself(listener: Listener):
    assert await proves(listener.url, "token")
    assert not await proves(listener.url, "another")
    assert not await proves("http://127.0.0.1:1/hook", "token")
