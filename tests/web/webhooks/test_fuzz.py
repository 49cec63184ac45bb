"""Whatever is sent to a registered account's address: no 5xx, no traceback, nothing that was verified is lost."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from campaigns.untrusted import read_json
from providers.registry import ADAPTERS, adapter_class
from scheduler.sending.lanes import Account, open_account
from storage.database.engine import Engine
from tests.providers.contract import SECRET, WebhookCase, table_of
from tests.support.examples import share
from tests.web.conftest import Hooks, hooks_on
from web.webhooks.ingress import LARGEST_BODY

HOOKED = sorted(name for name in ADAPTERS if adapter_class(name).capabilities.webhooks)
QUICK = share(0.15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
DEEP = b"[" * 2_000 + b"]" * 2_000
DEEP_OBJECT = b'{"a":' * 900 + b"1" + b"}" * 900
ODD: list[Any] = [
    None,
    True,
    -1,
    2**63,
    1e308,
    "",
    "\0",
    "é" * 40_000,
    [],
    {},
    [[]],
    [None],
    {"": None},
    "2026-13-45",
]


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> dict[str, Account]:
    monkeypatch.setenv("CONTRACT_TEST_KEY", SECRET)
    return {name: open_account(name, table_of(name).settings()) for name in HOOKED}


@pytest.fixture
async def strict(sqlite_engine: Engine, accounts: dict[str, Account]) -> AsyncIterator[Hooks]:
    """Signatures are checked as they are in earnest."""
    async with _served(sqlite_engine, accounts) as hooks:
        yield hooks


@pytest.fixture
async def trusting(
    engine: Engine, accounts: dict[str, Account], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Hooks]:
    """Everything counts as signed, so that what only a provider could send can be made up."""
    for account in accounts.values():
        monkeypatch.setattr(account.adapter, "verify", lambda _: True)
    async with _served(engine, accounts) as hooks:
        yield hooks


@asynccontextmanager
async def _served(engine: Engine, accounts: dict[str, Account], **options: Any) -> AsyncIterator[Hooks]:
    async with hooks_on(engine, accounts, **options) as hooks:
        yield hooks
    for account in accounts.values():
        await account.http.aclose()


def _documented(name: str) -> list[WebhookCase]:
    return table_of(name).webhooks


@pytest.mark.parametrize("name", HOOKED)
@given(data=st.data())
@QUICK
async def test_nothing_unsigned_gets_in(strict: Hooks, name: str, data: st.DataObject) -> None:
    example = data.draw(st.sampled_from(_documented(name)))
    header = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80).map(
        lambda t: t.encode("latin-1")
    )
    headers = {
        key: data.draw(st.one_of(st.just(value.encode()), header))
        if "signature" not in key
        else data.draw(header)
        for key, value in example.headers.items()
    }
    body = data.draw(st.one_of(st.just(example.body), st.binary(), JSON.map(as_json)))
    assert (await strict.post(body, name, headers)).status_code == 401
    assert await strict.stored() == []


def as_json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits, a lone surrogate
        return repr(value).encode("utf-8", "replace")


def test_the_fuzz_covers_every_adapter_that_hears() -> None:
    assert HOOKED
    assert all(_documented(name) for name in HOOKED)


@pytest.mark.parametrize("name", HOOKED)
@given(data=st.data())
@QUICK
async def test_every_signed_body_is_stored_and_processed_or_kept_with_its_problem(
    trusting: Hooks, caplog: pytest.LogCaptureFixture, name: str, data: st.DataObject
) -> None:
    example = data.draw(st.sampled_from(_documented(name)))
    body = data.draw(
        st.one_of(
            st.binary(),
            JSON.map(as_json),
            st.integers(0, 2).map([DEEP, DEEP_OBJECT, b""].__getitem__),
            st.composite(_spoiled)(example.body),
        )
    )
    before = len(await trusting.stored())
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        answer = await trusting.post(body, name, example.headers)
        if len(body) > LARGEST_BODY:
            assert (answer.status_code, len(await trusting.stored())) == (413, before)
            return
        assert answer.status_code == 200
        assert await trusting.process() == 1
    rows = await trusting.stored()
    assert len(rows) == before + 1
    assert rows[-1].body == body
    assert rows[-1].processed_at is not None
    assert caplog.text == ""
    assert rows[-1].problem in (None, *_unreadable(body))


def _unreadable(body: bytes) -> tuple[str, ...]:
    """What is said of a body of which nothing could be made; nothing else may go wrong with one."""
    held = read_json(body)
    if held is None:
        return ("The body is not JSON.",)
    names = ", ".join(held) if isinstance(held, dict) else type(held).__name__
    return (f"Nothing in it was taken up; it holds: {names}."[:500].replace("\0", ""),)


def _spoiled(draw: Any, body: bytes) -> bytes:
    """A documented body with a few of its values dropped, retyped, huge, deep or repeated."""
    try:
        whole = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(whole))
        if not places:
            break
        parent, key = places[draw(st.integers(0, len(places) - 1))]
        match draw(st.sampled_from(["drop", "retype", "deep", "repeat", "any"])):
            case "drop":
                del parent[key]
            case "retype":
                parent[key] = deepcopy(ODD[draw(st.integers(0, len(ODD) - 1))])
            case "deep":
                parent[key] = orjson.loads(b'{"a":' * 200 + b"1" + b"}" * 200)
            case "repeat":
                parent[key] = [parent[key]] * 50
            case _:
                parent[key] = draw(JSON)
    return as_json(whole)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in list(children):
        yield value, key
        yield from _places(child)


@pytest.mark.parametrize("name", HOOKED)
async def test_every_documented_webhook_gets_in_and_is_read(
    engine: Engine, accounts: dict[str, Account], name: str
) -> None:
    [(url, at)] = {(example.url, example.received_at) for example in _documented(name)}
    public, _, own_name = url.partition("/webhooks/")
    account = {own_name: replace(accounts[name], name=own_name)}
    async with hooks_on(engine, account, public_url=public, now=lambda: at) as hooks:
        for example in _documented(name):
            assert (await hooks.post(example.body, own_name, example.headers)).status_code == 200, example.why
            assert await hooks.process() == 1
        for example, stored in zip(_documented(name), await hooks.stored(), strict=True):
            assert (stored.problem is None) == bool(example.events), (example.why, stored.problem)
    await accounts[name].http.aclose()
