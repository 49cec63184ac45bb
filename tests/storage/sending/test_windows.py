"""A window only grows, is known for its own lane alone, and many are asked for at once."""

from __future__ import annotations

from itertools import permutations

from storage.database.engine import Engine, reading, writing
from storage.sending.windows import Opening, Window, extend_windows, open_window, open_windows
from tests.support.campaigns import later, phone

SHOP, HELP = "hooked/shop", "hooked/help"


async def windows_of(engine: Engine, lane: str, *numbers: int) -> dict[str, Window]:
    async with reading(engine) as connection:
        return await open_windows(connection, lane, [phone(number) for number in numbers])


async def test_a_window_is_known_for_its_lane_and_person_alone(engine: Engine) -> None:
    async with writing(engine) as connection:
        await open_window(connection, phone(1), SHOP, later(100), "inbound", later(1))
    assert await windows_of(engine, SHOP, 1, 2) == {phone(1): Window(later(100), "inbound", later(1))}
    assert await windows_of(engine, HELP, 1) == {}
    assert await windows_of(engine, SHOP) == {}


async def test_an_older_message_never_shortens_a_window(engine: Engine) -> None:
    words = [(later(100), "inbound"), (later(300), "provider"), (later(200), "inbound")]
    for number, order in enumerate(permutations(words)):
        for until, known_by in order:
            async with writing(engine) as connection:
                await open_window(connection, phone(number), SHOP, until, known_by, later(1))
        assert await windows_of(engine, SHOP, number) == {
            phone(number): Window(later(300), "provider", later(1))
        }


async def test_many_openings_at_once_leave_the_longest_of_each(engine: Engine) -> None:
    openings = [
        Opening(phone(number), lane, later(100 + (7 * number + 31 * turn) % 50), "inbound")
        for turn in range(3)
        for number in range(300)
        for lane in (SHOP, HELP)
    ]
    async with writing(engine) as connection:
        await extend_windows(connection, openings, later(1))
        await extend_windows(connection, [], later(1))
    for lane in (SHOP, HELP):
        longest = {
            phone(number): max(o.until for o in openings if (o.phone, o.lane) == (phone(number), lane))
            for number in range(300)
        }
        found = await windows_of(engine, lane, *range(300))
        assert {person: window.until for person, window in found.items()} == longest
