"""Calls about a person leave nothing of what they said, wrote or are called behind their erasure."""

from __future__ import annotations

from sqlalchemy import select

from app.actions.api_keys import Scope
from storage.database.engine import reading
from storage.tables.all_tables import metadata
from tests.web.api.world import World
from web.api.operations import REPEAT

PHONE, USER_ID, ROAD = "+447700900012", "GB.3333444455", "12 Elm Street"


async def test_neither_the_audit_nor_an_answer_names_who_was_erased(world: World) -> None:
    calls = (
        ("optout", {"evidence": f"Ada of {ROAD} wrote: no more"}),
        ("link", {"account": "meta", "user_id": USER_ID}),
    )
    async with world.caller(Scope.ADMIN) as caller:
        for act, body in calls:
            given = {"json": body, "headers": {REPEAT: act}}
            first = await caller.post(f"/contacts/{PHONE}/{act}", **given)
            assert first.status_code == 200
        searched = await caller.get("/campaigns/running/people", params={"search": ROAD})
        assert searched.status_code == 200
        assert (await caller.post(f"/contacts/{PHONE}/erase", json={})).status_code == 200
        again = await caller.post(f"/contacts/{PHONE}/link", **given)
        assert (again.status_code, again.json()) == (
            200,
            {**first.json(), "phone": "erased", "user_id": "erased"},
        )
    async with reading(world.engine) as connection:
        for table in metadata.sorted_tables:
            for row in await connection.execute(select(table)):
                assert not [each for each in (PHONE[1:], USER_ID, ROAD) if each in repr(tuple(row))], (
                    table.name
                )
