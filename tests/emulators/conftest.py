"""The emulator in this process, on a clock that only the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from emulators.app import create_app
from emulators.settings import Settings

SESSION = "a3f1b2c4-1234-4abc-9def-000011112222"
MESSAGES = "/ourvoice/v1/whatsapp/messages"
SESSIONS = "/ourvoice/v1/whatsapp/sessions"
START = 1_800_000_000.0
KEY = {"Authorization": "Bearer test-key"}


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


class OurVoiceClient:
    """The calls that most tests make."""

    def __init__(self, http: httpx.AsyncClient, clock: FakeClock) -> None:
        self.http, self.clock = http, clock

    async def send(self, *numbers: str, **fields: Any) -> httpx.Response:
        body = {
            "whatsapp_session_id": SESSION,
            "to_number": list(numbers),
            "type": "text",
            "content": "Hello",
        }
        return await self.http.post(MESSAGES, json=body | fields)

    async def sent(self, *numbers: str, **fields: Any) -> list[dict[str, Any]]:
        answer = await self.send(*numbers, **fields)
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]["messages"]

    async def show(self, message_id: str) -> dict[str, Any]:
        return (await self.http.get(f"{MESSAGES}/{message_id}")).json()["data"]

    async def found(self, path: str = MESSAGES, **query: Any) -> list[dict[str, Any]]:
        """The listed messages; a filter's name comes as `filter_to_number`, an array's value as a list."""
        answer = await self.http.get(path, params=spelled(query))
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


def spelled(query: dict[str, Any]) -> dict[str, Any]:
    """Python's names as the provider spells them."""
    names = {name: name for name in query}
    for name in query:
        if name.startswith("filter_"):
            names[name] = f"filter[{name.removeprefix('filter_')}]"
    return {names[name] + ("[]" if isinstance(value, list) else ""): value for name, value in query.items()}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def settings() -> Settings:
    return Settings(balance=5000)


@pytest.fixture
def key() -> dict[str, str]:
    """The header that carries the account's key."""
    return KEY


@pytest.fixture
async def http(settings: Settings, clock: FakeClock, key: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(settings, clock))
    async with httpx.AsyncClient(transport=transport, base_url="http://emulator", headers=key) as client:
        yield client


@pytest.fixture
def ourvoice(http: httpx.AsyncClient, clock: FakeClock) -> OurVoiceClient:
    return OurVoiceClient(http, clock)
