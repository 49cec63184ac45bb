"""Delivering webhooks: signed POSTs to one address, in time, and again until they are taken.

A provider makes one `Deliveries` with its own way to sign and hands it every body with the time it is due.
Nothing is kept while nobody listens. These options of `target` come with the control call `POST
/NAME/_control/webhook`, beside `url` and `secret`:

| option      | does                                                                             |
|-------------|----------------------------------------------------------------------------------|
| `delay`     | everything comes so many seconds later                                           |
| `duplicate` | this share (0 to 1) of the bodies comes twice                                     |
| `reorder`   | this share (0 to 1) is held back up to a second longer, so that others overtake it |
| `batch`     | up to so many updates that are due come in one body, where the provider does that |
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from emulators.base import Clock, Refusal

if TYPE_CHECKING:
    import aiohttp

Sign = Callable[[bytes, str], dict[str, str]]
"""The headers of a body under a secret."""

MOST_WAITING = 500_000
"""Bodies; what comes beyond them is lost, and counted."""
AT_ONCE = 16
PATIENCE = 10.0
"""Seconds to wait for an answer."""
FIRST_RETRY, LONGEST_RETRY, MOST_TRIES = 0.1, 10.0, 60
OVERTAKEN_BY = 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """Who listens, and how unreliable the way there is."""

    url: str
    secret: str
    delay: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    batch: int = 1

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise Refusal(422, "url must be an http or https address.")
        if self.delay < 0 or self.batch < 1:
            raise Refusal(422, "delay must not be negative, and batch at least 1.")
        if not (0 <= self.duplicate <= 1 and 0 <= self.reorder <= 1):
            raise Refusal(422, "duplicate and reorder are shares from 0 to 1.")


@dataclass(frozen=True, slots=True)
class Post:
    """A body on its way; its signature is made once, so that a repeated delivery is the same to the byte."""

    target: Target
    body: bytes
    headers: dict[str, str] | None = None
    tries: int = 0


class Deliveries:
    """The webhooks of one emulated provider. Used from the event loop only."""

    def __init__(
        self, clock: Clock, sign: Sign, join: Callable[[Sequence[bytes]], bytes] | None = None, seed: int = 0
    ) -> None:
        """`join` makes one body of several, for providers that report so."""
        self._clock, self._sign, self._join = clock, sign, join
        self._random = Random(seed)  # noqa: S311 - what goes wrong must be repeatable, not unguessable
        self._target: Target | None = None
        self._waiting: list[tuple[float, int, Post]] = []
        self._serial = 0
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._task: asyncio.Task[None] | None = None
        self._in_flight = 0
        self.delivered = self.lost = 0

    def target(
        self,
        url: str,
        secret: str,
        *,
        delay: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        batch: int = 1,
    ) -> None:
        """Deliver to this address from now on; deliveries under way to another are dropped."""
        target = Target(url, secret, delay, duplicate, reorder, batch)
        self.clear()
        self._target = target

    def clear(self) -> None:
        """Forget what is still on its way, and the counts."""
        self._waiting.clear()
        self.delivered = self.lost = 0

    @property
    def pending(self) -> int:
        """Bodies on their way."""
        return len(self._waiting) + self._in_flight

    def later(self, delay_seconds: float, body: bytes) -> None:
        """Deliver a body, so many seconds from now."""
        target = self._target
        if target is None:
            return
        copies = 2 if self._random.random() < target.duplicate else 1
        for _ in range(copies):
            held = OVERTAKEN_BY * self._random.random() if self._random.random() < target.reorder else 0.0
            self._put(max(delay_seconds, 0.0) + target.delay + held, Post(target, body))

    async def stop(self) -> None:
        """End all deliveries; what was on its way is lost."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def _put(self, delay: float, post: Post) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self.lost += 1
            return
        self._serial += 1
        heapq.heappush(self._waiting, (self._clock() + delay, self._serial, post))
        self._wake.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        # Most emulators never deliver anything, and starting them must stay quick.
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as group:
            while True:
                await self._due()
                await self._slots.acquire()
                if post := self._take():
                    self._in_flight += 1
                    group.create_task(self._deliver(session, post))
                else:
                    self._slots.release()

    async def _due(self) -> None:
        """Returns when something is due."""
        while not self._waiting or self._waiting[0][0] > self._clock():
            self._wake.clear()
            wait = self._waiting[0][0] - self._clock() if self._waiting else None
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    def _take(self) -> Post | None:
        """What is due: one body, or several made one; None when it was forgotten meanwhile."""
        first = self._pop()
        if first is None or first.headers is not None:
            return first
        bodies = [first.body]
        while self._join and len(bodies) < first.target.batch and self._next_is_new():
            if post := self._pop():
                bodies.append(post.body)
        body = self._join(bodies) if self._join else first.body
        headers = {"Content-Type": "application/json", **self._sign(body, first.target.secret)}
        return Post(first.target, body, headers)

    def _pop(self) -> Post | None:
        if not self._waiting or self._waiting[0][0] > self._clock():
            return None
        return heapq.heappop(self._waiting)[2]

    def _next_is_new(self) -> bool:
        return bool(
            self._waiting and self._waiting[0][0] <= self._clock() and self._waiting[0][2].headers is None
        )

    async def _deliver(self, session: aiohttp.ClientSession, post: Post) -> None:
        try:
            taken = await self._post(session, post)
        finally:
            self._in_flight -= 1
            self._slots.release()
        if post.target is not self._target:
            return
        if taken:
            self.delivered += 1
        elif post.tries + 1 >= MOST_TRIES:
            self.lost += 1
        else:
            again = Post(post.target, post.body, post.headers, post.tries + 1)
            self._put(min(FIRST_RETRY * float(2**post.tries), LONGEST_RETRY), again)

    async def _post(self, session: aiohttp.ClientSession, post: Post) -> bool:
        import aiohttp

        try:
            async with session.post(
                post.target.url, data=post.body, headers=post.headers, allow_redirects=False
            ) as answer:
                await answer.read()
                return 200 <= answer.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False


async def proves(url: str, token: str) -> bool:
    """Whether the address answers Meta's handshake: the challenge of a GET that knows the token."""
    import aiohttp

    challenge = "1158201444"
    query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": challenge}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session,
            session.get(url, params=query, allow_redirects=False) as answer,
        ):
            return answer.status == 200 and await answer.text() == challenge
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
