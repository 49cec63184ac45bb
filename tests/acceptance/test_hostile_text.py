"""Hostile text in every place, through every command and every form: no terminal is steered, no spreadsheet runs a
formula, and no file is written over."""

from __future__ import annotations

import asyncio
import csv
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, ClassVar

import pytest
from hypothesis import example, given
from sqlalchemy import Table

from campaigns.time.clock import utc_now
from cli import cli
from storage.database.engine import open_engine, writing
from storage.tables.all_tables import metadata
from storage.tables.contacts import inbound, user_ids
from storage.tables.lanes import workers
from storage.tables.notify import notify_deliveries, notify_events
from storage.tables.receipts import notices
from storage.tables.runs import missed_runs
from storage.tables.templates import template_lists, templates
from tests.acceptance.test_cli import all_commands
from tests.support.examples import share
from tests.support.hostile import EVERYTHING, controls_in, formulas_in, hostile_text
from tests.support.project import CAMPAIGN, Done, invoke, write_project

FREE = {
    "attempts": ("code", "detail", "request_id"),
    "campaigns": ("reason", "approved_by"),
    "events": ("detail",),
    "imports": ("source",),
    "inbound": ("text",),
    "jobs": ("code", "provider_message_id"),
    "lanes": ("paused_reason",),
    "missed_runs": ("detail",),
    "notices": ("subject", "text"),
    "notify_deliveries": ("target", "problem"),
    "notify_events": ("event", "about", "detail"),
    "optouts": ("source", "evidence"),
    "rate_cards": ("source",),
    "rejects": ("column", "reason", "raw"),
    "runs": ("reason", "winner_reason"),
    "template_lists": ("problem",),
    "templates": ("status", "category", "previous_category", "quality", "reason"),
    "user_ids": ("user_id",),
    "workers": ("name", "host"),
}
"""Table -> its columns that hold what strangers say."""
PHONE = "+447700900010"
ERASED = "+447700900011"
"""Whose data is hostile too, and is erased in the end."""
KINDS = ("summary", "delivery", "cost", "failures", "funnel", "variants", "recipients")
FORMS = (("--format", "table"), ("--format", "csv"), ("--json",))


class HostileProvider(BaseHTTPRequestHandler):
    """Answers everything with the text of the moment, wherever an answer has room for one."""

    text: ClassVar[str] = EVERYTHING
    refuses: ClassVar[bool] = False
    """Whether it is well, and refuses every message."""

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        names = ("id", "phone_number", "display_name", "reason", "qr_code", "error", "message", "code")
        body = {**dict.fromkeys(names, self.text), "status": "connected" if self.refuses else self.text}
        lists = self.command == "GET" and self.path.rstrip("/").endswith("sessions")
        data = json.dumps({"sessions": [body]} if lists else body).encode()
        self.send_response(422 if self.refuses and self.command == "POST" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = answer

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


@contextmanager
def provider() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), HostileProvider) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Path]:
    """One that has sent to a hostile provider, and in which something is stored of every kind."""
    folder = tmp_path_factory.mktemp("hostile")
    with provider() as port:
        write_project(folder, port=port, people=people(EVERYTHING))
        shutil.copyfile(sqlite_template, folder / "drumbeat.db")
        (folder / "rates.csv").write_text("market,marketing\nUnited Kingdom,0.05\n")
        (folder / "stop.csv").write_text(f"phone\n{PHONE}\nnobody\n")
        card = ("--name", "card", "--from", "2026-01-01", "--currency", "USD", "--source", EVERYTHING)
        HostileProvider.refuses = True
        for arguments in (
            ("campaign", "load", "spring.toml", "--now"),
            ("--debug", "run", "--until-idle", "--wait-receipts", "0s"),
            ("rates", "import", "rates.csv", *card),
            ("contacts", "optout", "+447700900011", "--evidence", EVERYTHING, "--source", EVERYTHING),
        ):
            done = invoke(folder, *arguments)
            assert done.code in (0, 3, 6), done
            judge(done, arguments)
        HostileProvider.refuses = False
        asyncio.run(store_the_rest(f"sqlite:///{folder / 'drumbeat.db'}"))
        yield folder


def _path_part(text: str) -> str:
    """No argument of a process has a NUL."""
    return text.replace("\0", "").replace("/", "")


def people(text: str) -> str:
    file = StringIO()
    writer = csv.writer(file)
    bare = text.replace("\0", "")
    writer.writerow(["phone", "first_name", f"x{bare}", "plain text, much of it: it is no binary file"])
    rows = [[PHONE, bare, bare], ["+447700900011", "Grace", bare], ["+447700900012", text, text]]
    writer.writerows([*row, "x" * 2000] for row in [*rows, [f"nobody {text}", text, text]])
    return file.getvalue()


async def store_the_rest(url: str) -> None:
    at = utc_now()
    rows: tuple[tuple[Table, dict[str, Any]], ...] = (
        (inbound, {"account": "ourvoice", "phone": ERASED, "at": at, "text": ""}),
        (user_ids, {"account": "ourvoice", "user_id": "", "phone": ERASED, "at": at}),
        (notices, {"account": "ourvoice", "kind": "template", "subject": "", "text": "", "at": at}),
        (notify_events, {"uid": "1", "event": "", "about": "", "series": "", "detail": "", "at": at}),
        (notify_deliveries, {"event_id": 1, "target": "", "state": "waiting", "next_at": at}),
        (missed_runs, {"campaign_id": 1, "nominal_at": at, "reason": "list", "at": at, "detail": ""}),
        (template_lists, {"account": "ourvoice", "fetched_at": at, "problem_at": at}),
        (templates, {"account": "ourvoice", "name": "spring_sale", "language": "en", **NO_TEMPLATE}),
        (
            workers,
            {"name": "", "kind": "runner", "host": "", "pid": 1, "leads": True, "since": at, "seen_at": at},
        ),
    )
    engine = open_engine(url)
    async with writing(engine) as connection:
        for table, row in rows:
            await connection.execute(table.delete())
            await connection.execute(table.insert().values(**row))
    await engine.dispose()


NO_TEMPLATE = {"status": "", "category": "", "parts": "{}"}


def poison(database: Path, text: str) -> None:
    """Put the text into every column that strangers write to."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, columns in FREE.items():
            for column in columns:
                taken = " WHERE state <> 'pending'" if column == "provider_message_id" else ""
                connection.execute(f'UPDATE {table} SET "{column}" = ?{taken}', (text,))
        button = {"kind": text, "text": text, "url": text}
        parts = {"header": {"kind": text, "text": text}, "body": text, "footer": text, "buttons": [button]}
        connection.execute("UPDATE templates SET parts = ?", (json.dumps({**parts, "others": [text]}),))
        connection.execute("UPDATE recipients SET vars = ?", (json.dumps({"first_name": text}),))


def commands(text: str) -> Iterator[tuple[str, ...]]:
    """Every command that ends by itself and shows something, in every form; the text where a person may write one."""
    yield "report", "compare", "spring", "hostile"
    yield "report", "compare", "spring", text, "--json"
    for kind, form in product(KINDS, FORMS):
        yield "report", kind, "spring", *form
        yield "report", kind, "spring", *form, "--output", f"{kind}-{form[-1]}.out"
    for form in FORMS:
        yield "report", "recipients", "spring", "--not-reached", *form
        yield "report", "recipients", "spring", "--not-reached", *form, "--output", f"rest-{form[-1]}.out"
    for command in (
        *(("campaign", name, "spring") for name in ("show", "preview", "estimate", "next", "winner")),
        ("campaign", "list"),
        ("why", "spring", PHONE),
        ("why", "spring", f"nobody {text}"),
        ("contacts", "list"),
        ("contacts", "show", PHONE),
        ("contacts", "import", "stop.csv", "--source", text),
        ("rates", "show"),
        ("rates", "show", "card"),
        *(("provider", name) for name in ("list", "check", "balance", "limits", "notices")),
        ("template", "sync", "ourvoice"),
        ("template", "list"),
        ("template", "show", "ourvoice", "spring_sale"),
        ("session", "list"),
        ("session", "create"),
        *(("session", name, text) for name in ("show", "qr", "disconnect", "reconnect")),
        ("session", "delete", text, "--yes"),
        ("doctor",),
        ("workers",),
        ("status",),
        ("user", "list"),
        ("key", "list"),
        ("notify", "list"),
        ("notify", "test", text),
        ("campaign", "check", "spring.toml"),
        ("campaign", "check", "hostile.csv", "--default-country", "GB"),
        ("campaign", "check", "spring.toml", "--csv", "hostile.csv"),
        ("campaign", "load", "hostile.toml"),
        ("campaign", "approve", "hostile"),
        ("campaign", "pause", "hostile", "--reason", text),
    ):
        yield command
        yield *command, "--json"
    yield "contacts", "list", "--csv"
    yield "key", "create", text
    yield "notify", "resend", text
    yield "notify", "resend", "--failed"
    yield "key", "revoke", text
    yield "user", "invite"
    yield "user", "invite", "--role", text
    yield "user", "role", text, "admin"
    yield "user", "disable", text
    yield "user", "enable", text
    yield "contacts", "export", PHONE
    yield "contacts", "export", text
    yield "contacts", "export", ERASED
    yield "contacts", "erase", ERASED
    yield "contacts", "erase", text, "--yes"
    yield "contacts", "optout", PHONE, "--evidence", text, "--source", text
    yield "contacts", "link", text, PHONE, "--account", "shop"
    yield "contacts", "link", "GB.1", text, "--account", text
    yield "contacts", "optin", text, "--scope", text
    yield "campaign", "test", "spring", "--to", text
    yield "campaign", "load", "spring.toml", "--at", text
    yield "campaign", "check", "twice.csv"
    yield "campaign", "check", "spring.toml", "--map", f"{text}={text}"
    yield "campaign", "check", "broken.toml"
    yield "campaign", "next", "spring", "-n", text
    yield "campaign", "budget", "spring", text
    yield "db", "backup", f"no-folder-{_path_part(text)}/backup.db"
    yield "db", "backup", "backup.db", "--force"
    yield "db", "adopt"
    yield "db", "recount"
    for name in (
        "show",
        "resume",
        "start",
        "cancel",
        "resolve",
        "retry-failed",
        "clone",
        "backfill",
        "preview",
    ):
        yield "campaign", name, text
    yield "report", "delivery", text
    yield "rates", "import", "stop.csv", "--name", text
    yield (
        "rates",
        "import",
        "hostile.csv",
        "--name",
        "x",
        "--from",
        "2026-01-01",
        "--currency",
        "USD",
        "--source",
        text,
    )
    yield text, "x"
    yield "campaign", f"--{text}"
    yield "--config", "x", "doctor"
    yield "--database", text, "campaign", "list"
    yield "db", "upgrade"
    yield "db", "purge", "--older-than", text
    yield "init", "--json"
    yield "--log-format", "json", "--debug", "reconcile"
    yield "--debug", "reconcile", "--provider", text
    yield "--debug", "run", "--until-idle", "--wait-receipts", "0s"
    yield "contacts", "erase", ERASED, "--yes"
    yield "contacts", "erase", ERASED, "--yes", "--json"
    yield "contacts", "show", ERASED


ENDLESS = {("serve",), ("up",), ("worker",), ("emulator",), ("demo",), ("completion",)}
"""Commands that show nothing of a stranger, or do not end by themselves."""


def judge(done: Done, arguments: tuple[str, ...]) -> None:
    assert not controls_in(done.out), (arguments, done)
    assert not controls_in(done.err), (arguments, done)
    assert "Something unexpected" not in done.err, (arguments, done)
    assert "Traceback" not in done.err, (arguments, done)
    if "--json" in arguments and done.out:
        json.loads(done.out)
    if "csv" in arguments or "--csv" in arguments[1:3]:
        assert not formulas_in(done.out), (arguments, done)


def test_every_command_is_asked() -> None:
    paths = all_commands(cli)
    groups = {path[:-1] for path in paths}
    asked = [tuple(word for word in words if not word.startswith("--")) for words in commands("x")]
    missing = {path for path in set(paths) - groups if not any(words[: len(path)] == path for words in asked)}
    assert missing == ENDLESS


def test_what_strangers_write_to_is_known() -> None:
    for table, columns in FREE.items():
        assert set(columns) <= set(metadata.tables[table].c.keys())


@pytest.mark.long
@pytest.mark.large  # that commands print through one door is in test_layers, what the door does in test_visible_text
@share(0.02)
@given(text=hostile_text)
@example(text=EVERYTHING)
def test_nothing_hostile_comes_through_any_command(project: Path, text: str) -> None:
    HostileProvider.text = text
    with TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(project, folder, dirs_exist_ok=True)
        poison(folder / "drumbeat.db", text)
        (folder / "hostile.csv").write_text(people(text), encoding="utf-8", newline="")
        bare = text.replace('"', "")
        (folder / "twice.csv").write_text(
            f'phone,"a{bare}","a{bare}"\n1,2,3\n',
            "utf-8",
            newline="",
        )
        (folder / "hostile.toml").write_text(CAMPAIGN.replace("spring", "hostile"))
        (folder / "broken.toml").write_text(
            f"name = {json.dumps(text)}\n{json.dumps(text)} = 1\n", "utf-8", newline=""
        )
        mine = {
            path: path.read_bytes() for path in folder.iterdir() if not path.name.startswith("drumbeat.db")
        }
        for arguments in commands(text):
            done = invoke(folder, *arguments)
            judge(done, arguments)
            assert done.code == 0 or arguments[:3] != ("contacts", "erase", ERASED) or len(arguments) < 4, (
                done
            )
        assert {path: path.read_bytes() for path in mine} == mine
        if text == EVERYTHING:
            assert {"hostile.rejects.csv", "spring.hostile.rejects.csv", "recipients-csv.out"} <= {
                path.name for path in folder.iterdir()
            }
        for path in set(folder.iterdir()) - set(mine):
            if path.name.endswith(("csv", "csv.out")) and path.name != "drumbeat.db":
                written = path.read_bytes().decode("utf-8-sig")
                assert not controls_in(written), path
                assert not formulas_in(written), path


@share(0.03)
@given(text=hostile_text)
@example(text=EVERYTHING)
def test_a_hostile_file_name_is_shown_and_named_safely(text: str) -> None:
    name = text.replace("/", "").replace("\0", "").lstrip("-")[:40] + "x"
    with TemporaryDirectory() as place:
        folder = write_project(Path(place))
        (folder / f"{name}.csv").write_text(
            "phone\n+447700900010\n+447700900011\n+447700900012\nnobody\n+447700900013\n"
        )
        shutil.copyfile(folder / "spring.toml", folder / f"{name}.toml")
        for arguments in (
            ("campaign", "check", f"{name}.csv"),
            ("campaign", "check", "spring.toml", "--csv", f"{name}.csv"),
            ("campaign", "check", f"{name}.toml"),
            ("campaign", "check", f"{name}"),
            ("campaign", "check", f"{name}.csv", "--rejects", f"{name}.csv"),
            ("--config", f"{name}", "doctor"),
        ):
            judge(invoke(folder, *arguments), arguments)
