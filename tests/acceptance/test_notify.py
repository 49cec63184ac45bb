"""Notifications from one end to the other: of a run, and by the commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from app.actions.running import run_campaigns
from app.wiring.settings import load_settings
from campaigns.notify_events import NotifyEvent
from campaigns.time.clock import NEVER, utc_now
from providers.notify.settings import NotifySettings
from scheduler.clock import notifier
from scheduler.clock.notifier import NotifyPlan
from scheduler.notify import delivery
from scheduler.sending.instrumentation import ignore
from storage.database.engine import Engine, open_engine, writing
from storage.notify.deliveries import store_targets
from storage.notify.events import Occurrence, add_event
from storage.tables.all_tables import metadata
from storage.tables.runs import jobs
from tests.acceptance.conftest import World
from tests.support.campaigns import later, spec
from tests.support.notified import Desk
from tests.support.processes import Process, end_well
from tests.support.project import KEY, Done, invoke, write_project
from tests.support.receivers import SECRET, WebhookServer, mail_server, webhook_server


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WebhookServer]:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    async with webhook_server() as known:
        yield known


def plan(server: WebhookServer) -> NotifyPlan:
    table = {"name": "team", "url": server.url, "secret": "env:HOOK_SECRET"}
    return NotifyPlan([NotifySettings.model_validate(table)])


async def test_a_short_run_notifies_of_its_end_before_it_ends(world: World, server: WebhookServer) -> None:
    await world.campaign(spec(), 3)
    await world.run(notify=plan(server))
    (event,) = server.taken.values()
    assert (event["event"], event["campaign"]) == ("finished", "spring")
    assert event["what"].startswith("3 messages: ")


PROJECT = """
[database]
url = "{url}"
[providers.ourvoice]
adapter = "ourvoice"
api_key = "env:OURVOICE_API_KEY"
[[providers.ourvoice.senders]]
name = "shop"
session_id = "a3f1b2c4-1234-4abc-9def-000011112222"
[[notify]]
name = "team"
url = "{hook}"
secret = "file:{folder}/secret"
events = ["paused"]
[[notify]]
name = "boss"
apprise = "file:{folder}/mail"
events = ["paused"]
"""


async def test_each_event_arrives_once_and_in_order_though_the_runner_is_killed(
    engine: Engine, database_url: str, server: WebhookServer, tmp_path: Path
) -> None:
    desk = Desk(engine)
    desk.at = utc_now()
    runs = {name: await desk.run_of(name) for name in ("spring", "summer")}
    async with writing(engine) as connection:
        await connection.execute(update(jobs).values(due_at=NEVER))
        await store_targets(connection, ["team", "boss"], desk.at)
    async with mail_server() as mail:
        toml = PROJECT.format(url=database_url, hook=server.url, folder=tmp_path)
        for name, content in (("drumbeat.toml", toml), ("secret", SECRET), ("mail", mail.address)):
            (tmp_path / name).write_text(content)
        mail.refuses = True
        wanted: dict[str, list[str]] = {name: [] for name in runs}
        runner = await asyncio.to_thread(Process, "runner", ("run",), tmp_path)
        try:
            for mode in ("fails", "hangs", "takes and breaks off"):
                server.mode = mode
                server.began.clear()
                for name, run_id in runs.items():
                    await desk.pause(run_id, f"{name} {mode}")
                    await desk.resume(name)
                    wanted[name].append(f"{name} {mode}")
                await asyncio.wait_for(server.began.wait(), 60)
                await asyncio.to_thread(runner.kill)
            server.mode, mail.refuses = "takes", False
            async with asyncio.timeout(60):
                while {state for _, state, _, _ in await desk.listed()} != {"delivered"}:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await asyncio.to_thread(end_well, [runner], 130)
        finally:
            await asyncio.to_thread(runner.end)
    hooked = [event["what"] for event in server.taken.values()]
    mailed = [one.get_content().splitlines()[0] for one in mail.mails]
    for name, events in wanted.items():
        assert [what for what in hooked if what.startswith(name)] == events
        assert [what for what in mailed if what.startswith(name)] == events


async def test_a_receiver_that_hangs_delays_no_message_and_no_end(
    sqlite_world: World, server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "LAST", 0.1)
    monkeypatch.setattr(delivery, "PATIENCE", 0.1)
    server.mode = "hangs"
    await sqlite_world.campaign(spec(), 3)
    async with asyncio.timeout(8):
        summary = await sqlite_world.run(notify=plan(server))
    assert summary.states.keys() <= {"delivered", "read"}
    assert server.taken == {}
    server.mode = "takes"


SETTINGS = """
[[notify]]
name = "team"
url = "{url}"
secret = "env:HOOK_SECRET"
[[notify]]
name = "boss"
apprise = "env:MAIL"
"""


async def command(folder: Path, *arguments: str, **more: str) -> Done:
    """Beside the servers."""
    return await asyncio.to_thread(invoke, folder, *arguments, **more)


async def test_the_commands(server: WebhookServer, tmp_path: Path) -> None:
    folder = write_project(tmp_path)
    with (folder / "drumbeat.toml").open("a") as file:
        file.write(SETTINGS.format(url=server.url))
    done = await command(folder, "notify", "list")
    assert done.code == 7, done
    async with mail_server() as mail:
        keys = {"HOOK_SECRET": SECRET, "MAIL": mail.address}
        done = await command(folder, "notify", "test", **keys)
        assert done.code == 0, done
        assert [event["event"] for event in server.taken.values()] == ["test"]
        assert [one["Subject"] for one in mail.mails] == ["A test by Drumbeat"]
        server.mode = "fails"
        done = await command(folder, "notify", "test", "team", "--json", **keys)
        assert (done.code, done.json[0]["problem"]) == (1, "It answered 500.")
        done = await command(folder, "notify", "test", "tema", **keys)
        assert done.code == 7
        assert "Did you mean team?" in done.err
        done = await command(folder, "doctor", "--json", **keys)
        said = {found["what"]: (found["ok"], found["said"]) for found in done.json}
        assert said["notify team"] == (True, "env:HOOK_SECRET is set")
        assert said["notify boss"] == (True, "env:MAIL is set")
    done = await command(folder, "doctor", "--json", MAIL="nonsense://hunter2@nowhere", HOOK_SECRET="")
    said = {found["what"]: (found["ok"], found["said"]) for found in done.json}
    assert said["notify boss"] == (False, "env:MAIL is no address that apprise knows")
    assert said["notify team"] == (False, "The secret env:HOOK_SECRET is empty or missing.")
    assert "hunter2" not in done.out + done.err


async def test_what_was_sent_is_listed_and_sent_again(
    server: WebhookServer, tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURVOICE_API_KEY", KEY)
    folder = write_project(tmp_path)
    with (folder / "drumbeat.toml").open("a") as file:
        file.write(SETTINGS.format(url=server.url).partition('[[notify]]\nname = "boss"')[0])
    (folder / "drumbeat.db").write_bytes(sqlite_template.read_bytes())
    await command(folder, "campaign", "load", "spring.toml")
    await given_up(f"sqlite:///{folder / 'drumbeat.db'}")
    done = await command(folder, "notify", "list", "--undelivered", "--json")
    (row,) = done.json
    assert [row[key] for key in ("number", "event", "about", "target", "state")] == [
        1, "paused", "spring", "team", "failed",
    ]  # fmt: skip
    assert "It answered 500." in (await command(folder, "notify", "list")).out
    assert (await command(folder, "notify", "resend")).code == 2
    assert (await command(folder, "notify", "resend", "1", "2")).code == 7
    assert (await command(folder, "notify", "list", "--json")).json[0]["state"] == "failed"
    done = await command(folder, "notify", "resend", "--failed")
    assert (done.code, done.out.splitlines()[0]) == (0, "1 notification will be sent again.")
    assert (await command(folder, "notify", "list", "--json")).json[0]["state"] == "waiting"
    await run_project(folder)
    assert [event["event"] for event in server.taken.values()] == ["paused", "rejects"]
    assert (await command(folder, "notify", "list", "--undelivered", "--json")).json == []


async def run_project(folder: Path) -> None:
    """As `drumbeat run --until-idle`, which needs the main thread."""
    settings = load_settings(folder / "drumbeat.toml")
    engine = open_engine(settings.database_url)
    await run_campaigns(
        engine,
        settings,
        distributed=False,
        until_idle=True,
        wait_receipts=timedelta(0),
        stop=asyncio.Event(),
        progress=lambda _: None,
        observe=ignore,
    )
    await engine.dispose()


async def given_up(url: str) -> None:
    engine = open_engine(url)
    async with writing(engine) as connection:
        await store_targets(connection, ["team"], later(0))
        await add_event(
            connection, Occurrence(NotifyEvent.PAUSED, "run:1", "why", campaign_id=1, run_id=1), later(1)
        )
        gone = {
            "event_id": 1,
            "target": "team",
            "state": "failed",
            "attempts": 80,
            "problem": "It answered 500.",
        }
        await connection.execute(
            metadata.tables["notify_deliveries"].insert().values(**gone, next_at=later(2), done_at=later(2))
        )
    await engine.dispose()
