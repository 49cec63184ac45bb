"""drumbeat.toml, the environment and flags: which one counts, and the errors for mistakes."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from app.wiring.settings import (
    ApprovalSettings,
    DraftsSettings,
    RetentionSettings,
    ServerSettings,
    Settings,
    _Written,
    find_config,
    load_settings,
)
from campaigns.errors import NotFound, SpecError, UsageError
from campaigns.spec.cap_spec import CapSpec
from campaigns.time.pace import Rate
from providers.notify.settings import NotifySettings
from storage.database.engine import open_engine
from tests.support.cases import each

NOTIFY = '[[notify]]\nname = "team"\n'
ACCOUNT = """
[providers.ourvoice]
adapter = "ourvoice"
api_key = "env:KEY"
rate = "20/s"
[[providers.ourvoice.senders]]
name = "shop"
session_id = "a3f1"
rate = "5/s"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "drumbeat.toml"


def written(file: Path, text: str) -> Settings:
    file.write_text(text, encoding="utf-8")
    return load_settings()


def test_what_checks_a_table_that_few_files_have_is_built_when_one_is_met(file: Path) -> None:
    written(file, ACCOUNT)
    checks = str(_Written.__pydantic_core_schema__)
    assert "'cls': <class 'app.wiring.settings.DatabaseSettings'>" in checks
    few = (ApprovalSettings, CapSpec, DraftsSettings, NotifySettings, RetentionSettings, ServerSettings)
    assert [model for model in few if f"'cls': {model}" in checks] == []


def test_without_a_file_the_database_is_here(file: Path) -> None:
    settings = load_settings()
    assert settings.sqlite_file == file.parent / "drumbeat.db"
    assert (settings.path, dict(settings.accounts)) == (None, {})


def test_an_account_is_read_by_its_adapter(file: Path) -> None:
    account = written(file, ACCOUNT).account("ourvoice")
    assert (account.adapter, account.base_url) == ("ourvoice", "https://api.getourvoice.com")
    assert account.rate == Rate.parse("20/s")
    assert [(sender.name, str(sender.rate)) for sender in account.senders] == [("shop", "5/s")]


def test_the_file_is_found_upwards_and_paths_are_beside_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('[database]\nurl = "sqlite:///data/mine.db"\n')
    below = file.parent / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    settings = load_settings()
    assert settings.path == find_config(below) == file
    assert settings.sqlite_file == file.parent / "data" / "mine.db"


def test_the_environment_overrides_the_file_and_flags_the_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('[database]\nurl = "sqlite:///one.db"\n')
    monkeypatch.setenv("DRUMBEAT_DATABASE__URL", "sqlite:///two.db")
    assert load_settings().sqlite_file == file.parent / "two.db"
    flagged = load_settings(database="postgresql://u@h/d")
    assert (flagged.database_url, flagged.sqlite_file) == ("postgresql://u@h/d", None)


def test_the_environment_can_change_one_key_of_an_account(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRUMBEAT_PROVIDERS__OURVOICE__BASE_URL", "http://127.0.0.1:8899/ourvoice")
    account = written(file, ACCOUNT).account("ourvoice")
    assert account.base_url == "http://127.0.0.1:8899/ourvoice"
    assert account.rate == Rate.parse("20/s")


def test_a_secret_is_never_shown(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "s3cret")
    settings = written(file, ACCOUNT)
    assert settings.account("ourvoice").api_key.reveal() == "s3cret"
    assert "s3cret" not in repr(settings)


@each(
    ("text", "says"),
    [
        ('[databse]\nurl = "x"\n', "line 1: databse is not known. Did you mean database?"),
        ('[database]\nurll = "x"\n', "line 2: database.urll is not known. Did you mean database.url?"),
        ('[database]\nurl = "mysql://x"\n', "line 2: database.url: a database is written as"),
        (
            '[database]\nurl = "sqlite://x.db"\n',
            "line 2: database.url: a database is written as sqlite:///FILE",
        ),
        ("[database]\nurl = 3\n", "line 2: database.url: input should be a valid string"),
        ('[providers.ourvoice]\napi_key = "env:K"\n', "line 1: providers.ourvoice.adapter is missing"),
        ('[providers.x]\nadapter = "ourvoise"\n', "line 2: providers.x.adapter is not a known adapter."),
        ('[providers.x]\nadapter = "ourvoice"\n', "line 1: providers.x.api_key is missing."),
        (
            ACCOUNT.replace("session_id", "sesion_id"),
            "line 8: providers.ourvoice.senders[0].sesion_id is not known. "
            "Did you mean providers.ourvoice.senders[0].session_id?",
        ),
        (ACCOUNT.replace("env:KEY", "s3cret"), "write a secret as env:NAME or file:PATH"),
        (ACCOUNT.replace('"20/s"', '"fast"'), "line 5: providers.ourvoice.rate: a rate is written as"),
        (
            ACCOUNT + '[[providers.ourvoice.senders]]\nname = "shop"\nsession_id = "b"\n',
            "two senders have the same name: shop",
        ),
        ("providers = 3\n", "line 1: providers is a table, not a number: write its keys below [providers]."),
        ("[database\n", "is not valid TOML"),
        (NOTIFY, "line 1: notify[0]: give either apprise = "),
        (NOTIFY + 'apprise = "mailto://me:s3cret@host"\n', "line 3: notify[0].apprise: write a secret as"),
        (NOTIFY + 'url = "https://a.example"\n', "line 1: notify[0]: url and secret go together"),
        (NOTIFY + 'url = "https://me:s3cret@a.example"\n', "line 3: notify[0].url: a url is written as"),
        (NOTIFY + 'apprise = "env:A"\nevents = ["ended"]\n', "line 4: notify[0].events[0]: input should be"),
        (
            NOTIFY + 'apprise = "env:A"\nevent = "paused"\n',
            "line 4: notify[0].event is not known. Did you mean",
        ),
        (2 * (NOTIFY + 'apprise = "env:A"\n'), "two [[notify]] tables have the same name: team"),
    ],
)
def test_a_mistake_is_named_with_line_and_key(file: Path, text: str, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        written(file, text)
    assert says in str(caught.value)
    assert "s3cret" not in str(caught.value)


SHOP = '[providers.shop]\nadapter = "meta"\n'


@each(
    ("text", "says"),
    [
        (
            'providers = "s3cret"',
            "line 1: providers is a table, not a text: write its keys below [providers].",
        ),
        ('[providers]\nshop = "s3cret"', "line 2: providers.shop is a table, not a text"),
        ('[providers]\nshop = ["s3cret"]', "line 2: providers.shop is a table, not a list"),
        ('[providers.shop]\nadapter = "s3cret"', "line 2: providers.shop.adapter is not a known adapter."),
        (SHOP + 'api_key = { key = "s3cret" }', "line 3: providers.shop.api_key: write a secret as"),
        (SHOP + 'senders = "s3cret"', "not a text: write each below [[providers.shop.senders]]."),
        (SHOP + 'senders = ["s3cret"]', "not a text: write its keys below [[providers.shop.senders]]."),
        (
            SHOP + '[[providers.shop.senders]]\nname = "s3cret!"',
            "line 4: providers.shop.senders[0].name: use lower-case letters",
        ),
        ('database = "postgresql://me:s3cret@host/name"', "line 1: database is a table, not a text"),
        (
            '[database]\nurl = ["postgresql://me:s3cret@host/n"]',
            "input should be a valid string, not a list.",
        ),
        ('caps = "s3cret"', "line 1: caps is a list of tables, not a text: write each below [[caps]]."),
        ('[[caps]]\nmax = "s3cret"\nper = "1d"', "line 2: caps[0].max: input should be a valid integer"),
        ('server = "s3cret"', "line 1: server is a table, not a text"),
        ("[providers.shop]\napi_key = s3cret", "is not valid TOML"),
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(file: Path, text: str, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        written(file, text + "\n")
    assert says in str(caught.value)
    assert "s3cret" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("name", ["PROVIDERS", "DATABASE", "CAPS", "NOTIFY", "PROVIDERS__SHOP"])
def test_a_secret_in_a_wrong_variable_is_not_repeated(
    file: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"DRUMBEAT_{name}", "s3cret")
    with pytest.raises(SpecError, match=f"DRUMBEAT_{name}") as caught:
        written(file, "")
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url", ["postgresql://me:s3cret@host:notaport/name", "postgresql://me:s3cret@host:5432x/name"]
)
def test_an_address_that_is_none_is_a_sentence(url: str) -> None:
    with pytest.raises(UsageError, match=r"database\.url is no address of a database") as caught:
        open_engine(url)
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"


def test_an_unknown_account_names_the_nearest(file: Path) -> None:
    with pytest.raises(NotFound) as caught:
        written(file, ACCOUNT).account("ourvoise")
    assert caught.value.hint == "Did you mean ourvoice?"


def test_a_config_that_is_not_there_is_not_found(file: Path) -> None:
    with pytest.raises(NotFound):
        load_settings(file.parent / "other.toml")
