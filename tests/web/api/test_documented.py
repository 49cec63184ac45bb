"""The examples of the API's page in the documentation, run as they are; and the page of the browser."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
from collections.abc import Awaitable, Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

import web.api
from app.actions.api_keys import Scope
from app.wiring.rights import Role
from app.wiring.settings import Settings
from campaigns.errors import NotFound
from scheduler.clock.launch import launch_due
from storage.audience.campaigns import require
from storage.database.engine import reading, writing
from storage.runs.runs import complete_runs
from storage.tables.audience import campaigns
from storage.tables.runs import jobs, runs
from tests.support.pages import Browser, log_in_as
from tests.support.paths import ROOT
from tests.web.api.world import FILE, LIST, World
from web.api.app import OPERATIONS
from web.api.docs_page import ROUTES
from web.api.openapi import document
from web.api.problems import KINDS
from web.pages.app import pages_app
from web.server import serving

TEXT = (ROOT / "docs/how-to/use-the-api.md").read_text("utf-8")
SHELL = [block for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) if "curl" in block]
Language = Callable[[Path, dict[str, str]], Awaitable[str]]
PYTHON = "".join(re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL))


async def sends(world: World) -> None:
    """A runner: once the campaign is started, one gets the message, and the other does not."""
    while True:
        await asyncio.sleep(0.05)
        with contextlib.suppress(NotFound):
            async with reading(world.engine) as connection:
                if (await require(connection, "spring")).state == "scheduled":
                    break
    await launch_due(world.engine)
    mine_is = (campaigns.c.name == "spring", runs.c.campaign_id == campaigns.c.id)
    async with writing(world.engine) as connection:
        mine = jobs.c.run_id == await connection.scalar(select(func.max(runs.c.id)).where(*mine_is))
        await connection.execute(update(jobs).where(mine).values(state="delivered"))
        failed = {"state": "failed", "reason": "refused", "code": "131026"}
        await connection.execute(update(jobs).where(mine, jobs.c.phone == "+447700900011").values(**failed))
        await complete_runs(connection, world.clock())


def project(folder: Path) -> None:
    (folder / "spring.toml").write_text(FILE.replace("fresh", "spring"))
    (folder / "spring.csv").write_text(LIST)


async def in_shell(folder: Path, environment: dict[str, str]) -> str:
    script = "set -e\n" + "\n".join(SHELL)
    made = await asyncio.create_subprocess_exec(
        "bash", "-c", script, cwd=folder, env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(made.communicate(), 60)
    assert made.returncode == 0, out.decode()
    return (folder / "not-reached.csv").read_text()


async def in_python(folder: Path, environment: dict[str, str]) -> str:
    def run() -> str:
        out, names = io.StringIO(), dict[str, Any]()
        with contextlib.redirect_stdout(out):
            exec(compile(PYTHON, "use-the-api.md", "exec"), names)
        names["api"].close()
        return out.getvalue()

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, value in environment.items():
            patch.setenv(name, value)
        return await asyncio.wait_for(asyncio.to_thread(run), 60)


@pytest.mark.parametrize("language", [in_shell, in_python])
async def test_the_three_usual_jobs(world: World, tmp_path: Path, language: Language) -> None:
    project(tmp_path)
    key = await world.key(Scope.SEND)
    async with serving(world.engine, world.settings, "127.0.0.1", 0, pages=True) as address:
        given = {"DRUMBEAT_URL": address, "DRUMBEAT_KEY": key}
        out, _ = await asyncio.gather(language(tmp_path, given), sends(world))
    assert "+447700900011" in out
    assert "131026" in out or "refused" in out
    assert "+447700900010" not in out


def test_the_page_names_every_type_of_problem() -> None:
    sources = [path.read_text("utf-8") for path in Path(web.api.__file__).parent.glob("*.py")]
    literal = {kind for text in sources for kind in re.findall(r'Problem\(\s*\d+,\s*"([a-z-]+)"', text)}
    of_addresses = {"method", "request"}
    rows = re.findall(r"^\| (`.*?) \| \d", TEXT, re.MULTILINE)
    listed = {kind for row in rows for kind in re.findall(r"`([a-z-]+)`", row)}
    assert listed == literal | {kind for _, _, kind in KINDS} | of_addresses
    assert len(literal) > 15


async def test_every_operation_and_every_key_is_on_the_page(sqlite_engine: AsyncEngine) -> None:
    settings = Settings("sqlite://")
    async with Browser(sqlite_engine, settings) as browser:
        browser.client._transport = type(browser.client._transport)(
            pages_app(sqlite_engine, settings, more=ROUTES)
        )  # type: ignore[call-arg]
        assert (await browser.get("/api/docs")).status_code == 303
        await log_in_as(browser, sqlite_engine, Role.ADMIN)
        shown = await browser.get("/api/docs")
        assert "script-src 'self'" in shown.headers["content-security-policy"]
        for operation in OPERATIONS:
            assert f"<code>{operation.path}</code>" in shown.text
            assert operation.summary in unescape(shown.text)
        for name, schema in document()["components"]["schemas"].items():
            for key, value in schema.get("properties", {}).items():
                assert f"<code>{key}</code>" in shown.text
                assert value["description"] in unescape(shown.text), f"{name}.{key}"
        assert "/api/docs" in (await browser.get("/settings/keys")).text
        assert (await browser.get("/api/docs/openapi.json")).json()["openapi"] == "3.1.0"
