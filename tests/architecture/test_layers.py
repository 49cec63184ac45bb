"""What import-linter cannot see: `cli.py` is no package, and single files are some libraries' only home."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from app.wiring.logs import OURS
from tests.support.cases import each
from tests.support.paths import ROOT

PACKAGES = ("campaigns", "providers", "storage", "scheduler", "app", "web", "terminal", "emulators")
HOMES = {
    "aiolimiter": {"scheduler/sending/buckets.py"},
    "apprise": {"providers/notify/services.py"},
    "apscheduler": {"scheduler/clock/calendar.py"},
    "aiohttp": {"emulators/webhooks.py"},  # the emulators share nothing of ours
    "httptools": {"providers/http/connection.py", "web/protocol/strict_http.py"},
    "babel": {"campaigns/phones/country_names.py"},
    "alembic": {"storage/database/schema.py"},
    "jinja2": {
        "campaigns/message/engine_texts.py",
        "campaigns/message/template_bounds.py",
        "web/look/environment.py",
    },
    "lz4": {"storage/database/compression.py"},
    "phonenumbers": {
        "campaigns/phones/phone.py",
        "campaigns/phones/phone_plans.py",
        "campaigns/phones/phone_zones.py",
    },
    "xlsxwriter": {"app/views/reports/workbooks.py", "campaigns/intake/corrections.py"},
    "pandas": {"campaigns/intake/rows.py"},
    "python_calamine": {"campaigns/intake/workbook_child.py"},
    "procrastinate": {"scheduler/engines/procrastinate.py"},
    "prometheus_client": {"web/monitoring/metrics.py"},
    "pydantic_settings": {"app/wiring/environment.py"},
    "tomlkit": {"campaigns/spec/toml_edits.py"},
    "uvicorn": {
        "web/server.py",
        "web/protocol/strict_http.py",
        "emulators/serve.py",
        "emulators/wire.py",
    },
    "argon2": {"app/wiring/passwords.py"},
    "holidays": {"campaigns/time/public_holidays.py"},
    "filelock": {"scheduler/clock/locks.py"},
}


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def imports_of(path: Path) -> frozenset[str]:
    return frozenset(_imported(ast.parse(text_of(path))))


def does_import(path: Path, library: str) -> bool:
    return library in text_of(path) and library in {name.split(".")[0] for name in imports_of(path)}


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_the_command_line_is_the_top_and_imports_only_the_layer_below() -> None:
    ours = {name.split(".")[0] for name in imports_of(ROOT / "cli.py")} & set(PACKAGES)
    assert ours <= {"app", "campaigns"}  # campaigns.errors: every error knows its exit code
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            assert not does_import(path, "cli"), path


@each(("library", "homes"), HOMES.items())
def test_a_library_has_one_home(library: str, homes: set[str]) -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if does_import(path, library)
    }
    assert found <= homes
    assert found


DOORS = {
    "terminal/output.py",
    "app/wiring/logs.py",
    "terminal/progress.py",
    "terminal/commands/options.py",
    "terminal/commands/completion.py",
    "cli.py",
}
"""Where something is printed: each makes visible what a stranger may have put into it."""
PRINTS = re.compile(
    r"^(print|click\.\w*(echo|confirm|prompt|style)|sys\.std(out|err)\.write|Console|logging\.StreamHandler)\("
)
WRITES = re.compile(
    r"(?<!super\(\))\.write_(text|bytes)\(|\bopen\([^)]*[\"'][wax]b?\+?[\"']|NamedTemporaryFile\(|\bmkstemp\("
)


MAY = re.compile(r"print|click|sys\.std|Console|StreamHandler|\.write_|open|TemporaryFile|mkstemp")
"""In the text of every file that prints or writes."""


@cache
def calls_of(path: Path) -> tuple[str, ...]:
    """The file's calls, with those of their arguments that are plain texts."""
    tree = ast.parse(text_of(path))
    return tuple(
        f"{ast.unparse(node.func)}({', '.join(repr(one.value) for one in node.args if isinstance(one, ast.Constant))})"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    )


def files_that(call: re.Pattern[str]) -> set[str]:
    ours = [ROOT / "cli.py", *(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))]
    likely = [path for path in ours if MAY.search(text_of(path))]
    return {path.relative_to(ROOT).as_posix() for path in likely if any(map(call.search, calls_of(path)))}


def test_everything_printed_goes_through_a_door() -> None:
    assert files_that(PRINTS) == DOORS


def test_files_are_written_in_one_place() -> None:
    found = files_that(WRITES)
    assert found == {
        "campaigns/atomic_files.py",
        "emulators/__main__.py",
    }  # the emulators share nothing of ours


def test_the_log_knows_every_package_of_ours() -> None:
    assert {*OURS} == {*PACKAGES} - {"emulators"}
