"""drumbeat.toml, the environment and flags: which one counts, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.wiring.settings import Settings, find_config, load_settings
from campaigns.errors import NotFound, SpecError
from campaigns.time.pace import Rate

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


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[databse]\nurl = "x"\n', "line 1: databse is not known. Did you mean database?"),
        ('[database]\nurll = "x"\n', "line 2: database.urll is not known. Did you mean database.url?"),
        ('[database]\nurl = "mysql://x"\n', "line 2: database.url: a database is written as"),
        ("[database]\nurl = 3\n", "line 2: database.url: input should be a valid string"),
        ('[providers.ourvoice]\napi_key = "env:K"\n', "line 1: providers.ourvoice.adapter is missing"),
        ('[providers.x]\nadapter = "ourvoise"\n', "line 2: there is no adapter 'ourvoise'."),
        ('[providers.x]\nadapter = "ourvoice"\n', "line 1: providers.x.api_key is missing."),
        (
            ACCOUNT.replace("session_id", "sesion_id"),
            "line 8: providers.ourvoice.senders[0].sesion_id is not known. "
            "Did you mean providers.ourvoice.senders[0].session_id?",
        ),
        (ACCOUNT.replace("env:KEY", "s3cret"), "a secret is written as env:NAME or file:PATH"),
        (ACCOUNT.replace('"20/s"', '"fast"'), "line 5: providers.ourvoice.rate: a rate is written as"),
        (
            ACCOUNT + '[[providers.ourvoice.senders]]\nname = "shop"\nsession_id = "b"\n',
            "two senders have the same name: shop",
        ),
        ("providers = 3\n", "line 1: providers: input should be a valid dictionary"),
        ("[database\n", "is not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_line_and_key(file: Path, text: str, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        written(file, text)
    assert says in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_an_unknown_account_names_the_nearest(file: Path) -> None:
    with pytest.raises(NotFound) as caught:
        written(file, ACCOUNT).account("ourvoise")
    assert caught.value.hint == "Did you mean ourvoice?"


def test_a_config_that_is_not_there_is_not_found(file: Path) -> None:
    with pytest.raises(NotFound):
        load_settings(file.parent / "other.toml")
