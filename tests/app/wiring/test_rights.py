"""Each act is refused to every role below the one that the table names, whichever door it comes by; the audit tells."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

import app.actions
from app.actions.contacts import record_preference
from app.actions.steering import pause_campaign
from app.wiring.rights import RIGHTS, Actor, Role, acting
from app.wiring.settings import Settings
from campaigns.errors import Forbidden, NotFound
from campaigns.phones.stop_words import StopWord
from storage.access.audit import AuditRow, list_acts
from storage.database.engine import open_engine, reading
from tests.support.cases import each

UseCase = Callable[..., Awaitable[Any]]
VIA = "a test"


@cache
def use_cases() -> dict[str, list[UseCase]]:
    found: dict[str, list[UseCase]] = {}
    for module in pkgutil.walk_packages(app.actions.__path__, "app.actions."):
        for function in vars(importlib.import_module(module.name)).values():
            name = getattr(function, "act", None)
            if isinstance(name, str) and function.__module__ == module.name:
                found.setdefault(name, []).append(function)
    return found


async def acts(engine: AsyncEngine) -> list[AuditRow]:
    async with reading(engine) as connection:
        return list(await list_acts(connection, 50))


def test_each_right_has_exactly_one_use_case() -> None:
    assert {name: len(functions) for name, functions in use_cases().items()} == dict.fromkeys(RIGHTS, 1)


async def test_a_right_is_refused_to_every_role_below_it(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    known = {"engine": engine, "settings": Settings(sqlite_url), "path": Path("nothing")}
    noted = 0
    for name, right in RIGHTS.items():
        (use_case,) = use_cases()[name]
        signature = inspect.signature(use_case)
        needed = [each for each in signature.parameters.values() if each.default is each.empty]
        given: dict[str, Any] = {each.name: known.get(each.name) for each in needed}
        below = [role for role in Role if not role.includes(right)]
        for role in below:
            with acting(Actor("ada", role, VIA)), pytest.raises(Forbidden, match=f"this needs a {right}"):
                await use_case(**given)
        rows, noted = (await acts(engine))[: len(below)], noted + len(below)
        assert [row.role for row in rows] == [role.value for role in reversed(below)], name
        assert {(row.act, row.outcome) for row in rows} <= {(name, "refused")}, name
    async with reading(engine) as connection:
        assert len(await list_acts(connection, noted + 1)) == noted, "and nothing else was noted"
    await engine.dispose()


@each("name", RIGHTS)
def test_roles_grow(name: str) -> None:
    may = [Actor("ada", role, VIA).may(name) for role in Role]
    assert may == sorted(may)
    assert may[-1]


async def test_an_act_is_written_with_its_outcome_and_without_the_whole_number(engine: AsyncEngine) -> None:
    with acting(Actor("ada", Role.EDITOR, VIA)):
        await record_preference(engine, "+447400123456", StopWord("out", "marketing"), "phone call", None)
        with suppress(NotFound):
            await pause_campaign(engine, "nothing", "stock is out, says +447400123456")
    refused, done = await acts(engine)
    assert (done.actor, done.role, done.via) == ("ada", "editor", VIA)
    assert (done.act, done.subject, done.outcome) == ("contacts.opt", "…3456", "done")
    assert done.given["source"] == "phone call"
    assert (refused.act, refused.subject, refused.outcome) == ("campaign.pause", "nothing", "refused")
    assert "7400123456" not in str(refused)


async def test_what_is_interrupted_has_no_outcome(engine: AsyncEngine) -> None:
    with pytest.raises(AttributeError):
        await record_preference(engine, "+447400123456", None, "phone call", None)  # type: ignore[arg-type]
    assert [row.outcome for row in await acts(engine)] == [None]
